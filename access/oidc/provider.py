"""The provider: its address book, the redirect to it, and the ID token that it gives for a code.

This follows OpenID Connect Core 1.0 (section 3.1, the authorization code flow) and Discovery 1.0, with PKCE (RFC 7636)
and the check of the issuer in the response (RFC 9207). Authlib makes the requests, joserfc verifies the ID token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from access.oidc import transport
from access.oidc.attempts import Started
from access.oidc.errors import InvalidAnswer, ProviderMisconfigured, ProviderUnreachable
from database import clock

DISCOVERY_PATH = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
CACHE_SECONDS = 3600
# The clocks of the provider and of the database may differ by this much.
LEEWAY_SECONDS = 60
# Signatures that only the provider can make. HS256 would turn the client's secret into a key, `none` needs no key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
SERVER_ERROR = 500
HTTP_OK = 200
# What a caller of the provider's code can send instead of the JSON that the standard asks for.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True)
class Client:
    """This product, as the provider knows it."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str


class Provider:
    """The provider of one web process. Threads share it; it keeps the addresses and the keys for an hour."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def authorization_url(self, started: Started) -> str:
        """Return the address at the provider to which the browser goes. Raises `SignInFailed`."""
        with self._session(started.redirect_uri) as session:
            url, _ = session.create_authorization_url(
                self._read_metadata()["authorization_endpoint"],
                state=started.state,
                nonce=started.nonce,
                code_verifier=started.code_verifier,
            )
        return str(url)

    def check_issuer(self, issuer: str | None) -> None:
        """Raise `ProviderMisconfigured` if a response says that it comes from another provider (RFC 9207)."""
        if issuer is not None and issuer != self.client.issuer:
            raise ProviderMisconfigured(f"the response is of {issuer!r}, but OIDC_ISSUER is {self.client.issuer!r}")

    def fetch_claims(self, code: str, started: Started) -> dict[str, Any]:
        """Exchange the code for an ID token, and return its claims once they are verified. Raises `SignInFailed`."""
        token = self._fetch_id_token(code, started)
        try:
            claims = self._verify_signature(token)
        except (JoseError, *MALFORMED) as error:
            raise InvalidAnswer(f"the ID token cannot be verified ({error})") from None
        self._check_claims(claims, started.nonce)
        return claims

    def _session(self, redirect_uri: str) -> Any:
        session = OAuth2Session(
            self.client.client_id,
            self.client.client_secret or None,
            scope=self.client.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        transport.limit(session)
        return session

    def _fetch_id_token(self, code: str, started: Started) -> str:
        metadata = self._read_metadata()
        with self._session(started.redirect_uri) as session:
            methods = metadata.get("token_endpoint_auth_methods_supported")
            # The standard's default is client_secret_basic.
            if self.client.client_secret and isinstance(methods, list) and "client_secret_basic" not in methods:
                session.token_endpoint_auth_method = "client_secret_post"  # noqa: S105
            session.register_compliance_hook("access_token_response", _refuse_server_error)
            try:
                token = session.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=started.code_verifier,
                    allow_redirects=False,
                )
                id_token = token.get("id_token")
            except OAuthError as error:
                reason = f"the provider refuses the code ({error.error})"
                raise (
                    InvalidAnswer(reason) if error.error == "invalid_grant" else ProviderMisconfigured(reason)
                ) from None
            except requests.JSONDecodeError:
                raise InvalidAnswer("the answer to the code is not JSON") from None
            except requests.RequestException as error:
                raise ProviderUnreachable(f"the token endpoint does not answer ({type(error).__name__})") from None
            except MALFORMED:
                raise InvalidAnswer("the answer to the code is malformed") from None
        if not isinstance(id_token, str):
            raise InvalidAnswer("the answer to the code has no ID token")
        return id_token

    def _verify_signature(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that has a signature of the provider.

        The provider may have a new key since the keys were read, so an unknown one is looked up once more.
        """
        keys, is_fresh = self._read_keys()
        try:
            return jwt.decode(token, keys, ALGORITHMS).claims
        except InvalidKeyIdError:
            if is_fresh:
                raise
        keys, _ = self._read_keys(refresh=True)
        return jwt.decode(token, keys, ALGORITHMS).claims

    def _check_claims(self, claims: dict[str, Any], nonce: str) -> None:
        """Check what OpenID Connect Core 1.0 asks for in section 3.1.3.7."""
        client = self.client
        for name, expected in (("iss", [client.issuer]), ("aud", [client.client_id])):
            value = claims.get(name)
            values = value if isinstance(value, list) and name == "aud" else [value]
            if not any(item in expected for item in values):
                raise ProviderMisconfigured(f"the ID token has the {name} {value!r} instead of {expected[0]!r}")
        registry = jwt.JWTClaimsRegistry(
            now=int(clock.unix_time()),
            leeway=LEEWAY_SECONDS,
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(claims)
        except ClaimError as error:
            raise InvalidAnswer(f"the ID token is not valid ({error})") from None
        if claims.get("nonce") != nonce:
            raise InvalidAnswer("the ID token has the nonce of another sign-in")
        if claims.get("azp") not in (None, client.client_id):
            raise InvalidAnswer("the ID token was issued to another client (azp)")

    def _read_metadata(self) -> dict[str, Any]:
        if self._metadata is not None and time.monotonic() - self._metadata[0] < CACHE_SECONDS:
            return self._metadata[1]
        metadata = _fetch_json(self.client.issuer.removesuffix("/") + DISCOVERY_PATH)
        if metadata.get("issuer") != self.client.issuer:
            raise ProviderMisconfigured(
                f"the provider calls itself {metadata.get('issuer')!r}, but OIDC_ISSUER is {self.client.issuer!r}"
            )
        scheme = urlsplit(self.client.issuer).scheme
        for name in ENDPOINTS:
            value = metadata.get(name)
            if not isinstance(value, str) or not value.startswith(("https://", f"{scheme}://")):
                raise InvalidAnswer(f"the provider's description has no usable {name}")
        with self._lock:
            self._metadata = (time.monotonic(), metadata)
        return metadata

    def _read_keys(self, *, refresh: bool = False) -> tuple[KeySet, bool]:
        """Return the keys of the provider, and whether they were read just now."""
        if not refresh and self._keys is not None and time.monotonic() - self._keys[0] < CACHE_SECONDS:
            return self._keys[1], False
        document: Any = _fetch_json(self._read_metadata()["jwks_uri"])
        try:
            keys = KeySet.import_key_set(document)
        except (JoseError, *MALFORMED) as error:
            raise InvalidAnswer(f"the keys of the provider are malformed ({type(error).__name__})") from None
        with self._lock:
            self._keys = (time.monotonic(), keys)
        return keys, True


def _fetch_json(url: str) -> dict[str, Any]:
    """Return the JSON object at an address of the provider."""
    with requests.Session() as session:
        transport.limit(session)
        try:
            response = session.get(url, headers={"Accept": "application/json"}, allow_redirects=False)
        except requests.RequestException as error:
            raise ProviderUnreachable(f"{url} does not answer ({type(error).__name__})") from None
    _refuse_server_error(response)
    if response.status_code != HTTP_OK:
        raise ProviderMisconfigured(f"{url} answers with status {response.status_code}")
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, Mapping):
        raise InvalidAnswer(f"{url} does not answer with a JSON object")
    return dict(document)


def _refuse_server_error(response: requests.Response) -> requests.Response:
    """Return a response of the provider; raises `ProviderUnreachable` if it failed."""
    if response.status_code >= SERVER_ERROR:
        raise ProviderUnreachable(f"{response.url} answers with status {response.status_code}")
    return response
