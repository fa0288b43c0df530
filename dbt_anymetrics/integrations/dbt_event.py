"""Events of dbt's own that carry data: what a program reads in dbt's JSON log, and in dbt's callbacks.

dbt makes an event from two classes of messages, one for its data and one that holds the data beside dbt's own facts.
Here the data is a free-form structure, and the other class is made after that of dbt's event `Note`, which every dbt
has.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, message_factory, struct_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

try:
    from dbt_common.events import types_pb2 as _types
    from dbt_common.events.types import Note
except ImportError:  # dbt-core 1.6 and 1.7
    from dbt.events import types_pb2 as _types
    from dbt.events.types import Note

NAME = "AnyMetricsRefresh"


class AnyMetricsRefresh(Note):  # type: ignore[misc]
    """One refresh, or one node that was not refreshed: the line that people read, and its data."""

    def __init__(self, line: str, data: Mapping[str, Any]) -> None:
        _message_class()
        structure = struct_pb2.Struct()
        structure.update(data)
        self.__dict__["_line"] = line  # dbt's events keep every other attribute in their message
        self.pb_msg = structure

    def message(self) -> str:
        """The line that people read."""
        return str(self.__dict__["_line"])


@lru_cache(maxsize=1)
def _message_class() -> type:
    """The class of the whole message, registered where dbt looks for it by its name."""
    information = _types.NoteMsg.DESCRIPTOR.fields_by_name["info"].message_type
    file = descriptor_pb2.FileDescriptorProto(name="dbt_anymetrics.proto", package="dbt_anymetrics", syntax="proto3")
    file.dependency.extend([information.file.name, struct_pb2.DESCRIPTOR.name])
    message = file.message_type.add(name=f"{NAME}Msg")
    for number, (name, kind) in enumerate((("info", information), ("data", struct_pb2.Struct.DESCRIPTOR)), start=1):
        message.field.add(
            name=name,
            number=number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            type=FieldDescriptorProto.TYPE_MESSAGE,
            type_name=f".{kind.full_name}",
        )
    pool = information.file.pool
    pool.AddSerializedFile(file.SerializeToString())
    made: type = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"dbt_anymetrics.{NAME}Msg"))
    setattr(_types, f"{NAME}Msg", made)
    return made
