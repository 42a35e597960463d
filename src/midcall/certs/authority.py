"""A certificate authority for this installation only, and the server certificate it signs.

Whoever trusts the authority trusts it for this machine, the configured names and the vendor's domain, and for nothing
else: critical name constraints (RFC 5280 section 4.2.1.10) say so. Nothing installs it system-wide.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from midcall.core import vendor

VENDOR_NAMES: Final = (f"*.{vendor.DOMAIN}",)
"""A wildcard stands for one label; for deeper hosts `certs.vendor` makes certificates when a client names one."""
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 365  # browsers refuse more than 398 days
RENEW_DAYS: Final = 30
_CLOCK_SKEW: Final = dt.timedelta(hours=1)

_SIGNING_ONLY: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_HANDSHAKE_ONLY: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of an installation: `ca_file` is what clients trust, the others are the server's own."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Certificates:
        """Where the files of that folder are, whether they are there yet or not."""
        return cls(folder / "ca.pem", folder / "server.pem", folder / "server.key")

    @property
    def ca_key_file(self) -> Path:
        return self.ca_file.with_suffix(".key")

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.2 and newer with the server's certificate."""
        return self.context_for(self.certificate_file)

    def context_for(self, chain_file: Path) -> ssl.SSLContext:
        """TLS 1.2 and newer with another certificate for the server's key."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(chain_file, self.key_file)
        return context

    def spki_pin(self) -> str:
        """Base64 of the SHA-256 of the server's public key (RFC 7469 section 2.4), as Chromium's flag wants it.

        All certificates of this server have the same key, so the pin holds for each of its host names.
        """
        certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(key).digest()).decode()


def ensure(folder: Path, hostnames: Sequence[str], *, now: dt.datetime) -> Certificates:
    """Make or renew what is missing, close to its end, or does not fit the host names.

    Args:
        folder: becomes a 0700 folder with `ca.pem`, `ca.key`, `server.pem`, `server.key`.
        hostnames: names and addresses beyond `LOCAL_NAMES` and the vendor's.
        now: with a time zone.

    Raises:
        OSError: the folder cannot be written.
        ValueError: a file in the folder is not what it should be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = Certificates.in_folder(folder)
    names = (*LOCAL_NAMES, *VENDOR_NAMES, *hostnames)
    ca_key_file = files.ca_key_file
    authority = _load(files.ca_file)
    if authority is None or not ca_key_file.exists() or not _covers(authority, hostnames) or _ends_soon(authority, now):
        _make_authority(files.ca_file, ca_key_file, hostnames, now)
        authority = _load(files.ca_file)
    assert authority is not None
    server = _load(files.certificate_file)
    if server is None or not files.key_file.exists() or not _fits(server, authority, names, now):
        _make_server(files, ca_key_file, authority, names, now)
    return files


# ----------------------------------------------------------------------------------------------------- is it still good


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes().split(b"-----END CERTIFICATE-----")[0] + _PEM_END)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not a certificate ({error}); delete its folder to make a new authority") from None


_PEM_END: Final = b"-----END CERTIFICATE-----\n"


def _ends_soon(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS)


def _covers(authority: x509.Certificate, hostnames: Sequence[str]) -> bool:
    """A new host name needs a new authority: the old one may not sign for it."""
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = set(constraints.permitted_subtrees or ())
    return set(_permitted(hostnames)) <= permitted


def _fits(server: x509.Certificate, authority: x509.Certificate, names: Sequence[str], now: dt.datetime) -> bool:
    try:
        server.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    present = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(present) == set(_general_names(names)) and not _ends_soon(server, now)


# -------------------------------------------------------------------------------------------------------------- making


def _make_authority(ca_file: Path, key_file: Path, hostnames: Sequence[str], now: dt.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial number tells apart the authorities of two installations, also in a browser's list.
    name = _name(f"Midcall local authority {x509.random_serial_number() % 0xFFFFFF:06x}")
    certificate = (
        _builder(subject=name, issuer=name, key=key.public_key(), now=now, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNING_ONLY, critical=True)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=_permitted(hostnames), excluded_subtrees=None), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    _write(ca_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _make_server(
    files: Certificates, ca_key_file: Path, authority: x509.Certificate, names: Sequence[str], now: dt.datetime
) -> None:
    ca_key = _authority_key(ca_key_file)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = _signed_for(key.public_key(), names, authority, ca_key, now)
    _write_key(files.key_file, key)
    _write(files.certificate_file, pem, mode=0o644)


def chain_for(files: Certificates, names: Sequence[str], *, now: dt.datetime) -> bytes:
    """A certificate for other names and the server's own key, with the authority's after it, as PEM.

    Args:
        files: made by `ensure`; the authority's key is read, used once, and let go of.
        names: inside the authority's constraints, or no client will believe it.

    Raises:
        OSError, ValueError: a file is missing, or not what it should be.
    """
    authority = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
    server = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
    key = server.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError(f"{files.certificate_file} is not the certificate that Midcall made")
    return _signed_for(key, names, authority, _authority_key(files.ca_key_file), now)


def _authority_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{file} is not the key that Midcall made; delete its folder to make a new authority")
    return key


def _signed_for(
    key: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    authority: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> bytes:
    certificate = (
        _builder(subject=_name("Midcall server"), issuer=authority.subject, key=key, now=now, days=SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_HANDSHAKE_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    return certificate.public_bytes(encoding) + authority.public_bytes(encoding)


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Midcall"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


# --------------------------------------------------------------------------------------------------------------- names


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    unique = dict.fromkeys(name.lower() for name in names)
    return [_general_name(name) for name in unique]


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _permitted(hostnames: Sequence[str]) -> list[x509.GeneralName]:
    networks = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    domains = ["localhost", vendor.DOMAIN]
    for name in hostnames:
        address = _address(name)
        if address is None:
            domains.append(name.lower().removeprefix("*."))
        else:
            networks.append(ipaddress.ip_network(address))
    return [
        *(x509.DNSName(domain) for domain in dict.fromkeys(domains)),
        *(x509.IPAddress(network) for network in dict.fromkeys(networks)),
    ]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


# --------------------------------------------------------------------------------------------------------------- files


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, mode=0o600)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace the file in one step; nobody ever reads half of it, nor a key with wider permissions."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
