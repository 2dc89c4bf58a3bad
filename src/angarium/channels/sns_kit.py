"""Callbacks by way of Amazon's SNS: whether they are of a topic of ours, and the signature that Amazon makes.

Anybody may have a topic, and Amazon signs for all of them. So the topic is looked at first; certificates are
fetched from the SNS that the line names and from nowhere else, once each; so are confirmations.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from angarium.channels import kit
from angarium.core.memory import Lent
from angarium.core.ports import Raw, Tools, Unknown
from angarium.protocols import sns
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

ASK_S = 10.0  # while SNS waits; it gives us fifteen seconds
FOR_S = 86_400.0  # an address of a certificate is never used again for another


def genuine(raw: Raw, topics: Collection[str], base_url: str) -> bool:
    """Whether it is of one of these topics, and asks for nothing but at this SNS."""
    message = kit.read_json(raw.body, sns.Message)
    if message is None or message.topic_arn not in topics or message.type not in sns.SIGNED:
        return False
    confirmed = message.type != sns.CONFIRMATION or sns.confirms(message, base_url)
    return confirmed and sns.certificate_at(message, base_url)


async def admit(tools: Tools, raw: Raw) -> bool | Unknown:
    """Check the signature of what is genuine; and confirm the subscription, when SNS asks for that."""
    message = kit.read_json(raw.body, sns.Message)
    if message is None:
        return False
    url, now = message.signing_cert_url, tools.clock.monotonic()
    key = await tools.memory.recall(("sns", url), now, partial(_key, tools, url))
    if isinstance(key, Unknown):
        return key
    if not sns.verified(message, key):
        return False
    if message.type != sns.CONFIRMATION:
        return True
    answer = await _fetched(tools, message.subscribe_url or "")
    return answer if isinstance(answer, Unknown) else True


async def _key(tools: Tools, url: str) -> Lent[RSAPublicKey | Unknown]:
    answer = await _fetched(tools, url)
    if isinstance(answer, Unknown):
        return Lent(answer)
    key = sns.public_key(answer.body)
    if key is None:
        return Lent(Unknown("what SNS names as its certificate is none"))
    return Lent(key, FOR_S)


async def _fetched(tools: Tools, url: str) -> Answer | Unknown:
    http: Client = tools.http
    try:
        answer = await http.request("GET", url, timeout_s=ASK_S, answer_max_bytes=sns.CERTIFICATE_MAX)
    except (NotSent, NoAnswer) as failure:
        return Unknown(str(failure))
    return answer if answer.status == 200 else Unknown(f"SNS answered with HTTP {answer.status}")
