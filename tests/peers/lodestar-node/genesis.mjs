// node genesis.mjs VALIDATORS GENESIS_TIME EXECUTION_HASH SECONDS_PER_SLOT FILE
//
// Writes the SSZ of a Capella genesis state with interop validators on an execution client's genesis block. Prints the
// genesis validators' root. The preset is that of LODESTAR_PRESET.
import { writeFileSync } from "node:fs";
import { createIChainForkConfig } from "@lodestar/config";
import { chainConfig } from "@lodestar/config/default";
import { nodeUtils } from "@lodestar/beacon-node";

const [validators, genesisTime, executionHash, secondsPerSlot, file] = process.argv.slice(2);
const config = createIChainForkConfig({
  ...chainConfig,
  SECONDS_PER_SLOT: Number(secondsPerSlot),
  ALTAIR_FORK_EPOCH: 0,
  BELLATRIX_FORK_EPOCH: 0,
  CAPELLA_FORK_EPOCH: 0,
  TERMINAL_TOTAL_DIFFICULTY: 0n,
});
const { state } = nodeUtils.initDevState(config, Number(validators), {
  genesisTime: Number(genesisTime),
  eth1BlockHash: Buffer.from(executionHash.replace(/^0x/, ""), "hex"),
  eth1Timestamp: Number(genesisTime),
});
writeFileSync(file, state.serialize());
console.log(`0x${Buffer.from(state.genesisValidatorsRoot).toString("hex")}`);
