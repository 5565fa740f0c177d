"""The joserfc side of tests/interop.rs: opens what it is given, and answers with tokens of the same kinds of its own."""

import json
import sys

from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

given = json.load(sys.stdin)
claims = given["claims"]
KINDS = {"EC": ECKey, "oct": OctKey, "OKP": OKPKey}


def key(of):
    return RSAKey.import_key(of["pem"]) if "pem" in of else KINDS[of["kty"]].import_key(of)


signing = {alg: key(of) for alg, of in given["signing"].items()}
content = {pair: key(of) for pair, of in given["content"].items()}
header_rules = jwe.JWERegistry(algorithms=given["jwe_algorithms"])

minted = []
for one in given["tokens"]:
    sig, alg, enc, payload = one["sig"], one["alg"], one["enc"], one["token"]
    if alg:
        opened = jwe.decrypt_compact(payload, content[f"{alg} {enc}"], registry=header_rules)
        assert (opened.headers()["alg"], opened.headers()["enc"]) == (alg, enc), opened.headers()
        payload = opened.plaintext.decode()
    if sig:
        payload = jws.deserialize_compact(payload, signing[sig], algorithms=[sig]).payload.decode()
    assert payload == claims, (sig, alg, enc, payload)

    mine = claims
    if sig:
        header = {"alg": sig, "kid": "sig", "typ": "session+jwt"}
        mine = jws.serialize_compact(header, mine, signing[sig], algorithms=[sig])
    if alg:
        outer = {"alg": alg, "enc": enc, "kid": "enc", "typ": "session+jwt"} | ({"cty": "JWT"} if sig else {})
        mine = jwe.encrypt_compact(outer, mine, content[f"{alg} {enc}"], registry=header_rules)
    minted.append(mine)
json.dump(minted, sys.stdout)
