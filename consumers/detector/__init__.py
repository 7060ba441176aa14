"""The detector: frames in, detections and usage out, in one Kafka transaction each."""
