"""Inputs of precompiles at their boundaries: valid ones, and those that are off by a little."""

from collections.abc import Callable
from random import Random

from verifier.executors.stateful.embedded.sample_contracts import (
    P256_SIGNATURE,
    modexp_input,
    point_evaluation,
)
from witness.header import keccak256

from .values import octets, rarely, word

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BN254_PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583
BN254_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
BLS_PRIME = int("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
BLS_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Generators, as EIP-196, EIP-197 and EIP-2537 encode points.
BN254_G1 = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
BN254_G2 = b"".join(
    number.to_bytes(32, "big")
    for number in (
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
    )
)
BLS_G1 = bytes(16).join(
    (
        b"",
        bytes.fromhex(
            "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        ),
        bytes.fromhex(
            "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
        ),
    )
)
BLS_G2 = bytes(16).join(
    (
        b"",
        bytes.fromhex(
            "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        ),
        bytes.fromhex(
            "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        ),
        bytes.fromhex(
            "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
        ),
        bytes.fromhex(
            "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
        ),
    )
)


def precompile_input(random: Random, address: bytes) -> bytes:
    """Input for the precompile at an address; any bytes for what is none."""
    made = INPUTS.get(int.from_bytes(address, "big"), _any)(random)
    choice = random.random()
    if choice < 0.1:
        return made[:-1]
    if choice < 0.2:
        return made + bytes([random.choice((0, 1))])
    if choice < 0.3 and made:
        at = random.randrange(len(made))
        return made[:at] + bytes([made[at] ^ 1 << random.randrange(8)]) + made[at + 1 :]
    return made


def _any(random: Random) -> bytes:
    return octets(random, random.choice((0, 1, 31, 32, 33, 64, 96, 128, 192)))


def _word(value: int, size: int = 32) -> bytes:
    return (value % (1 << 8 * size)).to_bytes(size, "big")


def _near(random: Random, value: int) -> int:
    return value + random.choice((-1, 0, 1)) if rarely(random, 0.5) else word(random)


def _recovery(random: Random) -> bytes:
    parity = random.choice((27, 28, 27, 28, 0, 1, 26, 29, 1 << 8 | 27))
    r, s = (random.choice((1, 2, _near(random, SECP256K1_ORDER), _near(random, SECP256K1_ORDER // 2))) for _ in "rs")
    return keccak256(random.randbytes(4)) + _word(parity) + _word(r) + _word(s)


def _exponentiation(random: Random) -> bytes:
    sizes = [random.choice((0, 1, 2, 7, 8, 9, 31, 32, 33, 64, 96)) for _ in range(3)]
    base, exponent, modulus = (octets(random, size) for size in sizes)
    data = modexp_input(base, exponent, modulus)
    if rarely(random, 0.15):  # lengths that nothing comes for
        place = random.randrange(3)
        claimed = random.choice((1023, 1024, 1025, 1 << 32, (1 << 64) - 1, 1 << 64, word(random)))
        data = data[: 32 * place] + _word(claimed) + data[32 * place + 32 :]
    return data


def _bn254_point(random: Random) -> bytes:
    choice = random.random()
    if choice < 0.5:
        return BN254_G1
    if choice < 0.65:
        return _word(1) + _word(BN254_PRIME - 2)  # its negative
    if choice < 0.8:
        return bytes(64)
    return _word(_near(random, BN254_PRIME)) + _word(_near(random, BN254_PRIME))


def _bn254_pairs(random: Random) -> bytes:
    second = random.choice((BN254_G2, BN254_G2, bytes(128), BN254_G2[64:] + BN254_G2[:64]))
    return b"".join(_bn254_point(random) + second for _ in range(random.randrange(4)))


def _compression(random: Random) -> bytes:
    rounds = random.choice((0, 1, 2, 12, 13, 255, 1000))
    return _word(rounds, 4) + octets(random, 208) + bytes([random.choice((0, 1, 1, 2, 255))])


def _point_evaluation(random: Random) -> bytes:
    valid = point_evaluation()
    if rarely(random, 0.4):
        return valid
    place = random.choice((32, 64))  # z, y: canonical or not
    return valid[:place] + _word(_near(random, BLS_ORDER)) + valid[place + 32 :]


def _bls_first(random: Random) -> bytes:
    choice = random.random()
    if choice < 0.55:
        return BLS_G1
    if choice < 0.7:
        return bytes(128)
    if choice < 0.8:  # the negative
        return BLS_G1[:64] + _word(BLS_PRIME - int.from_bytes(BLS_G1[64:], "big"), 64)
    return _word(_near(random, BLS_PRIME), 64) + _word(_near(random, BLS_PRIME), 64)


def _bls_second(random: Random) -> bytes:
    return random.choice((BLS_G2, BLS_G2, BLS_G2, bytes(256), BLS_G2[128:] + BLS_G2[:128]))


def _scaled(point: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
    def made(random: Random) -> bytes:
        pairs = (point(random) + _word(_near(random, BLS_ORDER)) for _ in range(random.randrange(4)))
        return b"".join(pairs)

    return made


def _bls_pairs(random: Random) -> bytes:
    return b"".join(_bls_first(random) + _bls_second(random) for _ in range(random.randrange(3)))


def _signature(random: Random) -> bytes:
    if rarely(random, 0.4):
        return P256_SIGNATURE
    place = 32 * random.randrange(5)
    changed = random.choice((0, 1, P256_ORDER, P256_ORDER - 1, P256_ORDER + 1, word(random)))
    return P256_SIGNATURE[:place] + _word(changed) + P256_SIGNATURE[place + 32 :]


INPUTS: dict[int, Callable[[Random], bytes]] = {
    0x01: _recovery,
    0x05: _exponentiation,
    0x06: lambda random: _bn254_point(random) + _bn254_point(random),
    0x07: lambda random: _bn254_point(random) + _word(_near(random, BN254_ORDER)),
    0x08: _bn254_pairs,
    0x09: _compression,
    0x0A: _point_evaluation,
    0x0B: lambda random: _bls_first(random) + _bls_first(random),
    0x0C: _scaled(_bls_first),
    0x0D: lambda random: _bls_second(random) + _bls_second(random),
    0x0E: _scaled(_bls_second),
    0x0F: _bls_pairs,
    0x10: lambda random: _word(_near(random, BLS_PRIME), 64),
    0x11: lambda random: _word(_near(random, BLS_PRIME), 64) + _word(_near(random, BLS_PRIME), 64),
    0x100: _signature,
}
