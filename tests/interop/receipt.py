# SPDX-License-Identifier: Apache-2.0
"""Checks a receipt of tern with software that is not tern's.

usage: receipt.py RECEIPT PUBLIC_KEY_FILE OUTPUT_FILE

The envelope with securesystemslib, the statement with in-toto-attestation, the hashes with
Python's hashlib, from docs/formats/receipt.md alone.  Both packages are from PyPI.
"""
import base64
import hashlib
import json
import struct
import sys

from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


def public_key(path):
    """NAME+ID+BASE64(0x01, KEY): c2sp.org/signed-note."""
    text = open(path, encoding="ascii").read().strip()
    name, key_id, typed = text.split("+", 2)
    data = base64.b64decode(typed, validate=True)
    assert data[0] == 1 and len(data) == 33
    digest = hashlib.sha256(name.encode() + b"\n" + data).hexdigest()
    assert digest[:8] == key_id, "id of the key"
    return SSlibKey(text, "ed25519", "ed25519", {"public": data[1:].hex()})


def root(entries):
    """RFC 6962, section 2.1, as it is written there."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + root(entries[:k]) + root(entries[k:])).digest()


def check_envelope(envelope, key):
    payload = json.loads(envelope.payload)
    envelope.verify([key], 1)
    changed = Envelope(envelope.payload.replace(b'"seed":"', b'"seed":"1'),
                       envelope.payload_type, envelope.signatures)
    try:
        changed.verify([key], 1)
    except VerificationError:
        return payload
    raise AssertionError("a changed payload was accepted")


def check_statement(payload):
    pb = json_format.ParseDict(payload, statement_pb2.Statement())
    Statement.copy_from_pb(pb).validate()
    assert pb.predicate_type == "urn:tern:receipt:v1"


def check_hashes(payload, receipt, output):
    predicate = payload["predicate"]
    secret = json.load(open(receipt + ".private", encoding="utf-8"))
    salt = bytes.fromhex(secret["salt"])
    text = open(output, "rb").read()[:predicate["output"]["text_bytes"]]
    assert hashlib.sha256(text).hexdigest() == payload["subject"][0]["digest"]["sha256"]
    tokens, stops = secret["input_tokens"], [s.encode() for s in secret["stops"]]
    message = b"tern.input/1" + salt + struct.pack("<I", len(tokens))
    message += b"".join(struct.pack("<I", t) for t in tokens) + struct.pack("<I", len(stops))
    message += b"".join(struct.pack("<I", len(s)) + s for s in stops)
    assert hashlib.sha256(message).hexdigest() == predicate["input"]["commitment_sha256"]
    data = open(receipt + ".trace", "rb").read()
    magic = b"tern-trace/1\n"
    assert data.startswith(magic)
    n_tokens, n_layers = struct.unpack_from("<II", data, len(magic))
    body = data[len(magic) + 8:]
    assert len(body) == 32 * n_tokens * n_layers
    entries = [body[i:i + 32] for i in range(0, len(body), 32)]
    trace = predicate["trace"]
    assert (trace["tokens"], trace["layers"]) == (n_tokens, n_layers)
    assert root(entries).hex() == trace["root_sha256"]
    assert n_tokens == len(tokens) + len(secret["output_tokens"]) - 1


def main(receipt, key_file, output):
    envelope = Envelope.from_dict(json.load(open(receipt, encoding="utf-8")))
    assert envelope.payload_type == "application/vnd.in-toto+json"
    payload = check_envelope(envelope, public_key(key_file))
    check_statement(payload)
    check_hashes(payload, receipt, output)
    print("envelope, statement and hashes are right")


if __name__ == "__main__":
    main(*sys.argv[1:])
