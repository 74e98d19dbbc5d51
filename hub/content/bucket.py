"""
Buckets of object stores (S3, Google, Azure): what is in them, and their objects as one archive. The door to obstore.

obstore is Rust's object_store: one library speaks to all three, signs requests, and works beside the event loop. It is
imported when the first bucket is opened.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hub.content import digest as digests
from hub.content import tarball
from hub.content.ignore import SOURCE_IGNORE, IgnoreRules
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hub.content.cloud.buckets import Renew
    from hub.content.http import Proxy

MAX_OBJECTS = 100_000
_AT_ONCE = 8
_CONNECT = "10s"
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>(?:\s*<Message>([^<\n]{1,200}))?")
_STATUS = re.compile(r"status code: (\d{3}[^:\n]{0,40})")
_CAUSES = (
    (re.compile(r"Expired|NotValidYet"), "its certificate has expired, or is not valid yet"),
    (re.compile(r"UnknownIssuer|SelfSigned|CaUsedAsEndEntity"), "its certificate is signed by an unknown authority"),
    (re.compile(r"NotValidForName"), "its certificate is for another host name"),
    (re.compile(r"InvalidContentType|InvalidMessage"), "it does not speak TLS: spec.insecure allows plain HTTP"),
    (re.compile(r"ConnectionRefused"), "it refused the connection"),
    (re.compile(r"dns error|failed to lookup"), "its host name cannot be resolved"),
    (re.compile(r"TimedOut|timed out|elapsed"), "it did not answer in time"),
    (re.compile(r"IncompleteMessage|UnexpectedEof|ConnectionReset"), "it closed the connection"),
)
_DENIED = (
    *("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "XAdminUserNotFound", "401 ", "403 "),
    *("AuthenticationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch"),  # as Azure has it
)


class BucketFailed(Transient):
    """A bucket cannot be read; the message says why, never a credential."""

    def __init__(self, message: str) -> None:
        super().__init__("BucketOperationFailed", message)


class BadBucketError(ValueError):
    """Settings with which no bucket can be opened; the message says which."""


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """
    Where a bucket is and how to log in.

    Attributes:
        provider: ``generic``, ``aws``, ``gcp`` or ``azure``.
        endpoint: ``host[:port]``, a URL for azure.
        credentials: As the Secret names them.
        renew: Gives others that end; without, and without those of a Secret, nobody logs in.
        ca: PEM; trusted beside the system's authorities.
        timeout: Seconds for one request.
    """

    provider: str
    name: str
    endpoint: str
    region: str = ""
    insecure: bool = False
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    renew: Renew | None = field(default=None, repr=False)
    ca: bytes = b""
    proxy: Proxy | None = None
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class BucketObject:
    """One object: its key, what changes with its content, its size in bytes."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """
    The wanted objects of a bucket, by key.

    Attributes:
        revision: Digest over keys and ETags (fact 50).
    """

    objects: tuple[BucketObject, ...]
    revision: str


class BucketReader:
    """
    Reads one bucket.

    Args:
        settings: Where it is.
        max_size: Bytes of all objects together.

    Raises:
        BadBucketError: The settings cannot be used.
    """

    def __init__(self, settings: BucketSettings, max_size: int) -> None:
        import obstore  # noqa: PLC0415  # 7 MiB that a hub without buckets does not need

        self._obstore = obstore
        self._settings = settings
        self._max_size = max_size
        try:
            self._store = _open(settings)
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise BadBucketError(_first_line(error)) from error

    async def listing(self, prefix: str, ignore: str | None) -> Listing:
        """
        Return the objects whose key begins with ``prefix`` and that no rule leaves out.

        Raises:
            BucketFailed: The bucket cannot be read, or holds too much.
        """
        objects: list[BucketObject] = []
        with self._failing(f"indexation of objects from bucket '{self._settings.name}' failed"):
            # The library matches whole folders: the rest of the prefix is looked at here.
            folder = prefix.rpartition("/")[0]
            async for page in self._obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                objects += [_object(one) for one in page if one["path"].startswith(prefix)]
                self._check_room(objects)
        rules = IgnoreRules({"": await self._rules(objects)}, ignore, built_in=False)
        wanted = [one for one in objects if _is_file(one.key) and not rules.ignores(one.key)]
        wanted.sort(key=lambda one: one.key)
        text = "".join(f"{one.key} {one.etag}\n" for one in wanted)
        return Listing(tuple(wanted), digests.of_bytes(text.encode()))

    async def archive(self, listing: Listing, folder: Path, target: Path) -> None:
        """
        Write the objects of a listing into an archive.

        Args:
            listing: Of :meth:`listing`.
            folder: Empty; holds the objects meanwhile.
            target: The archive.

        Raises:
            BucketFailed: An object cannot be had, or would not be a file in a folder.
            OSError: The disk is full, and the like.
        """
        _check_keys(listing)
        slots = asyncio.Semaphore(_AT_ONCE)
        with self._failing(f"fetch from bucket '{self._settings.name}' failed"):
            try:
                async with asyncio.TaskGroup() as group:
                    for number, one in enumerate(listing.objects):
                        group.create_task(self._download(one, folder / str(number), slots))
            except* Exception as errors:  # noqa: BLE001  # the first of them says enough
                raise _first(errors) from None
        await asyncio.to_thread(_pack, listing, folder, target)

    async def _download(self, one: BucketObject, file: Path, slots: asyncio.Semaphore) -> None:
        async with slots:
            found = await self._obstore.get_async(self._store, one.key)
            size = 0
            with file.open("wb") as target:
                async for chunk in found.stream(min_chunk_size=1 << 20):
                    size += len(chunk)
                    if size > one.size:
                        raise BucketFailed(f"object '{one.key}' is larger than the {one.size} bytes that were listed")
                    await asyncio.to_thread(target.write, chunk)
            if size != one.size:
                raise BucketFailed(f"object '{one.key}' was cut: {size} of {one.size} bytes arrived")

    async def _rules(self, objects: list[BucketObject]) -> str:
        if not any(one.key == SOURCE_IGNORE for one in objects):
            return ""
        with self._failing(f"fetch from bucket '{self._settings.name}' failed"):
            found = await self._obstore.get_async(self._store, SOURCE_IGNORE)
            return bytes(await found.bytes_async()).decode(errors="replace")

    def _check_room(self, objects: list[BucketObject]) -> None:
        if len(objects) > MAX_OBJECTS:
            raise BucketFailed(f"bucket '{self._settings.name}' has more than {MAX_OBJECTS} objects: set spec.prefix")
        if sum(one.size for one in objects) > self._max_size:
            raise BucketFailed(
                f"the objects of bucket '{self._settings.name}' have more than {self._max_size} bytes: set spec.prefix"
            )

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except (self._obstore.exceptions.BaseError, FileNotFoundError, PermissionError) as error:
            text = str(error)
            if "NoSuchBucket" in text or "ContainerNotFound" in text:
                raise BucketFailed(f"bucket '{self._settings.name}' not found") from error
            raise BucketFailed(f"{what}: {explain(text, self._settings)}") from error


def explain(text: str, settings: BucketSettings) -> str:
    """Say in words why an object store refused; of what it sent only its code and message."""
    if (code := _CODE.search(text)) is not None:
        said = f"{code[1]}: {code[2]}" if code[2] else code[1]
        return f"{said} (check the keys in the Secret)" if any(word in said for word in _DENIED) else said
    if (status := _STATUS.search(text)) is not None:
        return f"'{settings.endpoint}' answered {status[1].strip()}"
    for pattern, words in _CAUSES:
        if pattern.search(text):
            return f"cannot talk to '{settings.endpoint}': {words}"
    return text.splitlines()[0][:200] if text else "no answer"


def _open(settings: BucketSettings) -> Any:
    from obstore import store  # noqa: PLC0415  # as above

    client: dict[str, Any] = {
        "allow_http": settings.insecure,
        "connect_timeout": _CONNECT,
        "timeout": timedelta(seconds=settings.timeout),
    }
    if settings.ca:
        client["root_certificate"] = settings.ca
    if settings.proxy is not None:
        settings.proxy.check()
        client["proxy_url"] = settings.proxy.url
    common: dict[str, Any] = {
        "client_options": client,
        # A reconcile that failed comes back by itself.
        "retry_config": {"max_retries": 1, "retry_timeout": timedelta(seconds=settings.timeout)},
    }
    if settings.renew is not None:
        common["credential_provider"] = settings.renew
    match settings.provider:
        case "gcp":
            return store.GCSStore(settings.name, **_gcp(settings), **common)
        case "azure":
            return store.AzureStore(settings.name, **_azure(settings), **common)
        case _:
            return store.S3Store(settings.name, **_s3(settings), **common)


def _s3(settings: BucketSettings) -> dict[str, Any]:
    given = settings.credentials
    options: dict[str, Any] = {"region": settings.region or "us-east-1"}
    if settings.renew is not None:
        pass  # the keys come from there
    elif given:
        if not given.get("accesskey") or not given.get("secretkey"):
            raise BadBucketError("required fields 'accesskey' and 'secretkey'")
        options |= {"access_key_id": given["accesskey"], "secret_access_key": given["secretkey"]}
    else:
        options["skip_signature"] = True
    if settings.provider != "aws" or settings.endpoint != "s3.amazonaws.com":
        options["endpoint"] = _url(settings)
    return options


def _gcp(settings: BucketSettings) -> dict[str, Any]:
    if settings.renew is None:
        raise BadBucketError("required fields 'serviceaccount'")
    return {"base_url": _url(settings)}


_AZURE_KEYS = {"accountKey": "account_key", "sasKey": "sas_key"}


def _azure(settings: BucketSettings) -> dict[str, Any]:
    if settings.renew is None and not any(settings.credentials.get(key) for key in _AZURE_KEYS):
        raise BadBucketError("required fields 'clientId', 'accountKey' or 'sasKey'")
    url = _url(settings)
    place = urlsplit(url)
    # Emulators and Azure Stack have the account in the path.
    account = place.path.strip("/") or (place.hostname or "").partition(".")[0]
    options: dict[str, Any] = {"endpoint": url, "account_name": account}
    return options | {
        name: settings.credentials[key] for key, name in _AZURE_KEYS.items() if settings.credentials.get(key)
    }


def _url(settings: BucketSettings) -> str:
    if "://" in settings.endpoint:
        return settings.endpoint.rstrip("/")
    return f"{'http' if settings.insecure else 'https'}://{settings.endpoint}"


def _object(found: Mapping[str, Any]) -> BucketObject:
    # Some servers have no ETag for objects that did not come through them; a time of change serves as well.
    etag = str(found.get("e_tag") or "").strip('"') or f"{found['last_modified']:%Y%m%dT%H%M%S.%f}-{found['size']}"
    return BucketObject(str(found["path"]), etag, int(found["size"]))


def _is_file(key: str) -> bool:
    return not key.endswith("/") and key.rpartition("/")[2] != SOURCE_IGNORE


def _check_keys(listing: Listing) -> None:
    """Refuse keys that cannot all be files in one folder."""
    files = {one.key for one in listing.objects}
    for one in listing.objects:
        parts = one.key.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise BucketFailed(f"the key '{one.key}' would lead outside of the artifact: rename it, or ignore it")
        for length in range(1, len(parts)):
            if (folder := "/".join(parts[:length])) in files:
                raise BucketFailed(f"the key '{folder}' is a file and a folder ('{one.key}'): rename it, or ignore it")


def _pack(listing: Listing, folder: Path, target: Path) -> None:
    with tarball.writing(target) as writer:
        for number, one in enumerate(listing.objects):
            with (folder / str(number)).open("rb") as content:
                writer.add(one.key, content, one.size)


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, Exception) else BucketFailed("interrupted")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
