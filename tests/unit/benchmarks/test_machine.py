"""What a record says of the machine."""

from benchmarks.machine import commit, cpu_model, this_machine

CPUINFO = """processor\t: 0
model name\t: Model T: the second

processor\t: 1
model name\t: Model T: the second
"""


def test_the_cpu_is_named_as_linux_names_it() -> None:
    assert cpu_model(CPUINFO) == "Model T: the second"


def test_a_machine_that_does_not_name_its_cpu_is_no_error() -> None:
    assert cpu_model("processor\t: 0\n") == ""


def test_this_machine_has_a_cpu_with_cores_and_memory() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.cores >= 1
    assert machine.memory_gib > 0


def test_the_commit_is_a_word() -> None:
    assert commit().split() == [commit()]
