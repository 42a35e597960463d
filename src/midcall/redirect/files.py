"""Files for programs: whom to trust besides those they trusted before, in each stack's own format, and little else."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.utils import CryptographyDeprecationWarning

STORE_PASSWORD: Final = "changeit"  # noqa: S105  # Java's own for stores that hold nothing secret
BUNDLE_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""OpenSSL, Go, Ruby, .NET, httpx; Python's requests; curl; Node."""

_INJECTED: Final = Path(__file__).with_name("injected")
_SYSTEM: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
)


@dataclass(frozen=True, slots=True)
class ProgramFiles:
    """Paths of the files.

    Attributes:
        bundle: PEM, for whatever reads that.
        store: PKCS12, for Java.
        php: a folder with an ini file.
        python: a folder with what Python loads first.
    """

    bundle: Path
    store: Path
    php: Path
    python: Path


def write(folder: Path, authority: Path, environment: Mapping[str, str]) -> ProgramFiles:
    """Make the files in a folder, or renew them.

    Args:
        authority: the PEM file of the local authority.
        environment: of the program; bundles that it names stay trusted.

    Raises:
        OSError: the folder cannot be written, or the authority not be read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = ProgramFiles(folder / "ca-bundle.pem", folder / "truststore.p12", folder / "php", folder / "python")
    files.php.mkdir(exist_ok=True)
    files.python.mkdir(exist_ok=True)
    certificates = _certificates([*_bundles(environment), authority])
    _write(files.bundle, "".join(certificates).encode())
    _write(files.store, _java(certificates))
    ini = "".join(f'{name} = "{files.bundle}"\n' for name in ("curl.cainfo", "openssl.cafile"))
    _write(files.php / "midcall.ini", ini.encode())
    _write(files.python / "sitecustomize.py", (_INJECTED / "sitecustomize.py").read_bytes())
    return files


def _bundles(environment: Mapping[str, str]) -> list[Path]:
    """What the program trusts without us: the files it is told of, and the system's."""
    system = next((path for path in (*_SYSTEM, ssl.get_default_verify_paths().cafile) if path and _is(path)), None)
    named = [environment.get(name, "") for name in BUNDLE_VARIABLES]
    return [Path(path) for path in dict.fromkeys((system or "", *named)) if _is(path)]


def _is(path: str) -> bool:
    return bool(path) and Path(path).is_file()


_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def _certificates(files: Iterable[Path]) -> list[str]:
    """Every certificate once, as PEM with a newline behind, without the comments around them."""
    found: dict[str, None] = {}
    for file in files:
        for part in file.read_text("latin-1").split(_BEGIN)[1:]:
            body, end, _ = part.partition(_END)
            if end:
                found[f"{_BEGIN}{body}{_END}\n"] = None
    return list(found)


def _java(certificates: Iterable[str]) -> bytes:
    entries = []
    with warnings.catch_warnings():  # a system's list is not ours to judge
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for number, pem in enumerate(certificates):
            with suppress(ValueError):  # some lists hold oddities that only OpenSSL reads
                entries.append(PKCS12Certificate(x509.load_pem_x509_certificate(pem.encode()), b"ca-%d" % number))
    return serialize_java_truststore(entries, BestAvailableEncryption(STORE_PASSWORD.encode()))


def _write(path: Path, content: bytes) -> None:
    """Replace the file in one step: programs may be reading the one before."""
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    draft.replace(path)
