"""How files of prompts and answers become trace records: read, mapped by column, published."""

from monitor.importing.choosing import chosen, joined
from monitor.importing.http import HttpSink
from monitor.importing.mapping import Mapping, columns_of
from monitor.importing.publishing import Pace, Summary, publish
from monitor.importing.reading import estimated_rows, read_rows
from monitor.importing.records import Imported, Options, records
from monitor.importing.row import Row, RowError

__all__ = [
    "HttpSink", "Imported", "Mapping", "Options", "Pace", "Row", "RowError", "Summary",
    "chosen", "columns_of", "estimated_rows", "joined", "publish", "read_rows", "records",
]  # fmt: skip
