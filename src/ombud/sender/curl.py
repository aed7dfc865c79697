"""The exact request of a delivery as a command for curl: the same bytes on the wire, for somebody to try themselves."""

import shlex

from ombud.sender.url import EndpointUrl

# No rewriting of the path, no globs, no proxy of the environment, HTTP/1.1; and curl's own headers left out.
_OPTIONS = ["--http1.1", "--path-as-is", "--globoff", "--noproxy", "*", "-i", "-H", "Accept:"]
# curl writes it itself, from the URL, as the first one.
_HOST = "Host: "


def curl_of(url: EndpointUrl, request: bytes, *, private_authority: bool = False) -> str:
    """Return the command that sends this request. With a private authority its certificate is to be given as a file."""
    first, *lines = request.decode("ascii").split("\r\n")
    target = first.split(" ")[1]
    words = ["curl", *_OPTIONS]
    for line in lines:
        if line and not line.startswith(_HOST):
            words += ["-H", line]
    if private_authority:
        words += ["--cacert", "authority.pem"]
    return shlex.join([*words, f"{url.scheme}://{url.authority}{target}"])
