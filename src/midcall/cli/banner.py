"""What a person sees when the server is ready: addresses, credentials, and what to paste where."""

from __future__ import annotations

import sys

from midcall.folder import Credentials, ServerInfo

GREY, BOLD, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


def banner(server: ServerInfo, credentials: Credentials) -> None:
    """Print it to standard error, which the caller knows to be a terminal."""
    print(text(server, credentials), file=sys.stderr, flush=True)


def text(server: ServerInfo, credentials: Credentials) -> str:
    """The banner, with colours."""
    folder = server.ca_file.rsplit("/", 2)[0]
    return f"""
{BOLD}Midcall {server.version}{PLAIN} is ready {GREY}(mode {server.mode}, pid {server.pid}, data in {folder}){PLAIN}

  REST, signalling   {server.https_url}
  REST without TLS   {server.http_url}   {GREY}on this machine only{PLAIN}
  CA certificate     {server.ca_file}
  Account SID        {credentials.account_sid}
  Auth token         {credentials.auth_token}
  API key            {credentials.api_key_sid}
  API secret         {credentials.api_key_secret}
  Application SID    {credentials.application_sid}

  {BOLD}Browser{PLAIN}   new Device(token, {{ chunderw: '{server.signaling_host}' }})
  {BOLD}Python{PLAIN}    client = Client("{credentials.account_sid}", auth_token)
            client.api.base_url = "{server.http_url}"

  Next: let the browser trust the CA certificate, then {BOLD}midcall token --identity alice{PLAIN}.
  {GREY}Programs read this with `midcall credentials --format json`. To watch a call first: `midcall demo`.{PLAIN}
"""
