"""Writing a file whole or not at all."""

import contextlib
import os
import uuid
from pathlib import Path


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Writes ``content`` to ``path``. A reader, or a machine that goes down, finds the old file or the new one.

    Raises OSError, which names ``path``, if it cannot be written; an existing file is then unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with open(temporary, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
