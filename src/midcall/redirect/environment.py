"""What a program is told by its environment, so that each HTTP stack takes the way through a proxy and trusts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from midcall.folder import Credentials
from midcall.redirect.files import BUNDLE_VARIABLES, STORE_PASSWORD, ProgramFiles
from midcall.redirect.upstream import without_vendor

UNSET: Final = ("TWILIO_REGION", "TWILIO_EDGE")
"""They put labels into the vendor's host names, and mean nothing here."""

Variables = dict[str, str | None]
"""Values by name; None unsets."""


def credential_variables(credentials: Credentials) -> dict[str, str]:
    """What helper libraries read."""
    return {
        "TWILIO_ACCOUNT_SID": credentials.account_sid,
        "TWILIO_AUTH_TOKEN": credentials.auth_token,
        "TWILIO_API_KEY": credentials.api_key_sid,
        "TWILIO_API_SECRET": credentials.api_key_secret,
    }


def variables(
    *, host: str, port: int, credentials: Credentials, files: ProgramFiles, environment: Mapping[str, str]
) -> Variables:
    """The variables to set and unset.

    Args:
        host, port: the proxy's.
        environment: what the program would have without us; what matters of it is kept.
    """
    no_proxy = without_vendor(environment.get("no_proxy") or environment.get("NO_PROXY") or "")
    proxy = f"http://{host}:{port}"
    return {
        **credential_variables(credentials),
        **dict.fromkeys(UNSET),
        # Some stacks read one spelling only; Node's helper library asks for HTTP_PROXY also for https.
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), no_proxy),
        **dict.fromkeys(BUNDLE_VARIABLES, str(files.bundle)),
        "NODE_USE_ENV_PROXY": "1",
        **({"TWILIO_CA_BUNDLE": str(files.bundle)} if "TWILIO_CA_BUNDLE" in environment else {}),
        "JAVA_TOOL_OPTIONS": _joined(environment.get("JAVA_TOOL_OPTIONS", ""), " ", _java(host, port, files, no_proxy)),
        "PYTHONPATH": _joined(str(files.python), ":", environment.get("PYTHONPATH", "")),
        # An empty part stands for the folder that PHP was built with.
        "PHP_INI_SCAN_DIR": f"{environment.get('PHP_INI_SCAN_DIR', '')}:{files.php}",
    }


def _java(host: str, port: int, files: ProgramFiles, no_proxy: str) -> str:
    properties = {
        "https.proxyHost": host,
        "https.proxyPort": str(port),
        "http.proxyHost": host,
        "http.proxyPort": str(port),
        "http.nonProxyHosts": _non_proxy_hosts(no_proxy),
        "javax.net.ssl.trustStore": str(files.store),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": STORE_PASSWORD,
    }
    return " ".join(f"-D{name}={_quoted(value)}" for name, value in properties.items())


def _non_proxy_hosts(no_proxy: str) -> str:
    """Java's spelling of NO_PROXY: bars between, a star for what is below a domain, networks not known."""
    patterns: dict[str, None] = {}
    for entry in no_proxy.split(","):
        name = entry.lstrip("*").lstrip(".")
        if "/" in name:
            continue
        patterns[f"[{name}]" if ":" in name else name] = None
        if not name.replace(".", "").isdigit() and ":" not in name and name != "localhost":
            patterns[f"*.{name}"] = None
    return "|".join(patterns)


def _quoted(value: str) -> str:
    # The virtual machine splits the variable at white space; a bar needs no quotes, no shell reads it.
    return f'"{value}"' if any(map(str.isspace, value)) else value


def _joined(first: str, between: str, second: str) -> str:
    return between.join(filter(None, (first, second)))
