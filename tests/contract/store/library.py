"""The eventsourcing library's own test cases for recorders."""

import sys
from types import ModuleType

# Their module also tests the library's cipher, and imports it at the top; that needs a package which we never use.
_cipher = ModuleType("eventsourcing.cipher")
_cipher.AESCipher = None  # type: ignore[attr-defined] # a module made by hand declares nothing
sys.modules["eventsourcing.cipher"] = _cipher
try:
    from eventsourcing.tests import persistence as recorder_tests
finally:
    del sys.modules["eventsourcing.cipher"]

__all__ = ["recorder_tests"]
