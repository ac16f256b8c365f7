"""Encodes tables as Parquet: numbers keep their types, lists stay lists. Needs pyarrow, the extra ``parquet``."""

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.runs.report.tables import Kind, Table

_TYPES: dict[Kind, pa.DataType] = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int32()),
}


def as_parquet(table: Table) -> bytes:
    """Encode a table as a Parquet file; a cell that is None becomes null."""
    columns = {name: pa.array(column.cells, _TYPES[column.kind]) for name, column in table.items()}
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out, compression="zstd")
    data: bytes = out.getvalue().to_pybytes()
    return data
