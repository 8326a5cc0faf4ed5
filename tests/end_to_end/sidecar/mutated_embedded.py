"""`verifier sidecar` whose embedded executor has a bug: EXP is one too high, as in `tests.peers.mutated_geth`.

The bug is in that executor's process alone, where multiprocessing runs this module once more, under a name of its own.
"""

import builtins

if __name__ == "__mp_main__":
    from eth.vm.logic import arithmetic

    def wrong_power(base: int, exponent: int, modulus: int) -> int:
        """What py-evm's EXP takes for the built-in `pow`."""
        return (builtins.pow(base, exponent, modulus) + 1) % modulus

    vars(arithmetic)["pow"] = wrong_power

if __name__ == "__main__":
    from verifier.cli.main import main

    main()
