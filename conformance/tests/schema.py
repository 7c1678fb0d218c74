"""Kafka's own message definitions, read from the kafka-clients jar, as an encoder and a decoder of dictionaries.

`API["Produce"]` knows its key, its versions and how to turn a request into bytes and an answer into a dictionary, for
every version. Field names are those of the definitions (`TopicData`, `ErrorCode`). Fields left out have their default.
The encoder notes where each length field is, so that a mutating client can lie there.
"""

import json
import re
import struct
import uuid
import zipfile

from brokers import PEER

JAR = PEER / ".cache" / "libs-4.3.1" / "kafka-clients-4.3.1.jar"
FIXED = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d"}
ZERO_UUID = uuid.UUID(int=0)


class Malformed(Exception):
    """An answer that does not follow its definition."""


class Writer:
    """Bytes under construction, and the length fields among them: (position, width, whether it is a varint)."""

    def __init__(self):
        self.bytes = bytearray()
        self.lengths = []

    def fixed(self, form, value):
        self.bytes += struct.pack(form, value)

    def uvarint(self, value):
        while value >= 0x80:
            self.bytes.append(value & 0x7F | 0x80)
            value >>= 7
        self.bytes.append(value)

    def length(self, value, width, compact):
        """`value` elements or bytes follow; None is null."""
        at = len(self.bytes)
        if compact:
            self.uvarint(0 if value is None else value + 1)
        else:
            self.fixed(">h" if width == 2 else ">i", -1 if value is None else value)
        self.lengths.append((at, len(self.bytes) - at, compact))


class Reader:
    """Bytes being taken apart; asking for more than there is raises Malformed."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise Malformed(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def fixed(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def length(self, width, compact):
        """The count that follows, None for null."""
        value = self.uvarint() - 1 if compact else self.fixed(">h" if width == 2 else ">i")
        return None if value < 0 else value

    def end(self):
        if self.at != len(self.data):
            raise Malformed(f"{len(self.data) - self.at} bytes left over")


def _range(text):
    """ "3-5", "2+", "7" and "none" as (first, last)."""
    if text in (None, "none"):
        return (1, 0)
    first, dash, last = text.partition("-")
    if text.endswith("+"):
        return (int(text[:-1]), 32767)
    return (int(first), int(last) if dash else int(first))


def _within(version, bounds):
    return bounds[0] <= version <= bounds[1]


class Field:
    def __init__(self, spec, structs):
        # A few of the definitions begin a name with a small letter.
        self.name, self.type = spec["name"][0].upper() + spec["name"][1:], spec["type"]
        self.versions = _range(spec["versions"])
        self.nullable = _range(spec.get("nullableVersions"))
        self.tagged = _range(spec.get("taggedVersions"))
        self.tag = spec.get("tag")
        self.never_compact = spec.get("flexibleVersions") == "none"
        self.default_text = spec.get("default")
        self.element = self.type.removeprefix("[]")
        self.is_array = self.type.startswith("[]")
        if "fields" in spec:
            self.struct = Struct(spec["fields"], structs)
        elif self.element in structs:
            self.struct = structs[self.element]
        else:
            self.struct = None

    def default(self):
        text = self.default_text
        if text == "null":
            return None
        if self.is_array:
            return []
        if self.struct:
            return {}
        if self.type == "bool":
            return text in (True, "true")
        if self.type == "float64":
            return float(text or 0)
        if self.type in FIXED:
            return int(str(text), 0) if text not in (None, "") else 0
        return {"string": text or "", "uuid": ZERO_UUID, "bytes": b"", "records": None}[self.type]

    def write(self, out, value, version, flexible):
        compact = flexible and not self.never_compact
        if not self.is_array:
            self._write_one(out, self.type, value, version, compact, nullable=_within(version, self.nullable))
            return
        out.length(None if value is None else len(value), 4, compact)
        for element in value or ():
            self._write_one(out, self.element, element, version, compact, nullable=False)

    def _write_one(self, out, kind, value, version, compact, nullable):
        if kind in FIXED:
            out.fixed(FIXED[kind], value)
        elif kind == "bool":
            out.bytes.append(1 if value else 0)
        elif kind == "uuid":
            out.bytes += value.bytes
        elif kind in ("string", "bytes", "records"):
            data = value.encode() if isinstance(value, str) else value
            out.length(None if data is None else len(data), 2 if kind == "string" else 4, compact)
            out.bytes += data or b""
        else:
            if nullable:
                out.fixed(">b", -1 if value is None else 1)
            if value is not None:
                self.struct.write(out, value, version, compact)

    def read(self, data, version, flexible):
        compact = flexible and not self.never_compact
        if not self.is_array:
            return self._read_one(data, self.type, version, compact, nullable=_within(version, self.nullable))
        count = data.length(4, compact)
        if count is None:
            return None
        return [self._read_one(data, self.element, version, compact, nullable=False) for _ in range(count)]

    def _read_one(self, data, kind, version, compact, nullable):
        if kind in FIXED:
            return data.fixed(FIXED[kind])
        if kind == "bool":
            return data.take(1) != b"\0"
        if kind == "uuid":
            return uuid.UUID(bytes=bytes(data.take(16)))
        if kind in ("string", "bytes", "records"):
            count = data.length(2 if kind == "string" else 4, compact)
            if count is None:
                return None
            return data.take(count).decode() if kind == "string" else bytes(data.take(count))
        if nullable and data.fixed(">b") < 0:
            return None
        return self.struct.read(data, version, compact)


class Struct:
    def __init__(self, specs, structs):
        self.fields = [Field(s, structs) for s in specs]

    def write(self, out, values, version, flexible):
        unknown = values.keys() - {f.name for f in self.fields}
        assert not unknown, f"no such fields: {unknown}"
        tagged = []
        for field in self.fields:
            if not _within(version, field.versions):
                continue
            value = values.get(field.name, field.default())
            if _within(version, field.tagged):
                if value != field.default():
                    tagged.append((field, value))
            else:
                field.write(out, value, version, flexible)
        if flexible:
            out.uvarint(len(tagged))
            for field, value in sorted(tagged, key=lambda pair: pair[0].tag):
                inner = Writer()
                field.write(inner, value, version, flexible)
                out.uvarint(field.tag)
                out.uvarint(len(inner.bytes))
                out.bytes += inner.bytes

    def read(self, data, version, flexible):
        values = {}
        by_tag = {}
        for field in self.fields:
            if not _within(version, field.versions):
                continue
            if _within(version, field.tagged):
                by_tag[field.tag] = field
                values[field.name] = field.default()
            else:
                values[field.name] = field.read(data, version, flexible)
        if flexible:
            for _ in range(data.uvarint()):
                tag, size = data.uvarint(), data.uvarint()
                inner = Reader(data.take(size))
                if tag in by_tag:
                    values[by_tag[tag].name] = by_tag[tag].read(inner, version, flexible)
                    inner.end()
        return values


class Message:
    def __init__(self, spec):
        structs = {}
        for common in spec.get("commonStructs", []):
            structs[common["name"]] = Struct(common["fields"], structs)
        self.versions = _range(spec["validVersions"])
        self.flexible = _range(spec.get("flexibleVersions"))
        self.listeners = spec.get("listeners", [])
        self.unstable = bool(spec.get("latestVersionUnstable"))
        self.key = spec.get("apiKey")
        self.root = Struct(spec["fields"], structs)

    def is_flexible(self, version):
        return _within(version, self.flexible)


class Api:
    def __init__(self, name, request, response):
        self.name, self.request, self.response, self.key = name, request, response, request.key

    @property
    def versions(self):
        """All that a broker serves: the stable ones."""
        first, last = self.request.versions
        return range(first, last + (0 if self.request.unstable else 1))

    def encode(self, version, body, correlation_id, client_id="conformance"):
        """The request without its 4-byte size, as a Writer."""
        out = Writer()
        flexible = self.request.is_flexible(version)
        out.fixed(">h", self.key)
        out.fixed(">h", version)
        out.fixed(">i", correlation_id)
        out.length(None if client_id is None else len(client_id), 2, compact=False)
        out.bytes += (client_id or "").encode()
        if flexible:
            out.uvarint(0)
        self.request.root.write(out, body, version, flexible)
        return out

    def decode(self, version, frame):
        """(correlation id, answer) of a frame without its size; every byte has to be used."""
        data = Reader(frame)
        correlation_id = data.fixed(">i")
        flexible = self.response.is_flexible(version)
        if flexible and self.name != "ApiVersions":
            for _ in range(data.uvarint()):
                data.uvarint()
                data.take(data.uvarint())
        answer = self.response.root.read(data, version, flexible)
        data.end()
        return correlation_id, answer


def _load():
    specs = {}
    with zipfile.ZipFile(JAR) as jar:
        for name in jar.namelist():
            found = re.fullmatch(r"common/message/(\w+)\.json", name)
            if found:
                text = re.sub(r"^\s*//.*$", "", jar.read(name).decode(), flags=re.MULTILINE)
                specs[found[1]] = json.loads(text)
    apis = {}
    for name, spec in specs.items():
        if spec["type"] == "request" and spec.get("validVersions") != "none":
            api = name.removesuffix("Request")
            apis[api] = Api(api, Message(spec), Message(specs[api + "Response"]))
    return apis


API = _load()
BY_KEY = {api.key: api for api in API.values()}
