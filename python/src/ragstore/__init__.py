"""Values by key, vectors, a knowledge graph and the status of documents in one store."""
from ragstore._native import (
    CancelFlag, CancelledError, ConflictError, ConnectionError, CorruptError, DatabaseError, DeniedError, ForkedError,
    InputOutputError, InvalidError, Matrix, MismatchError, NoSpaceError, NotFoundError, StoreError, TimeoutError,
    Transaction, TransactionError, UnsupportedError, VersionError, __version__)

__all__ = [
    "CancelFlag", "CancelledError", "ConflictError", "ConnectionError", "CorruptError", "DatabaseError", "DeniedError",
    "ForkedError", "InputOutputError", "InvalidError", "Matrix", "MismatchError", "NoSpaceError", "NotFoundError",
    "StoreError", "TimeoutError", "Transaction", "TransactionError", "UnsupportedError", "VersionError", "__version__"]
