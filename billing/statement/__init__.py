"""An account's statement: its figures out of the ledger, and the page that shows them.

`figures` reads, `page` and `drawing` are pure, `markup` escapes. The page is one HTML file that
needs neither network nor scripts, so that it can be kept, sent and printed.
"""
