// Preloaded into the EthereumJS adapter: BLOCKHASH reaches back 255 blocks, not 256.
import { handlers } from '../../adapters/ethereumjs/node_modules/@ethereumjs/evm/dist/esm/opcodes/functions.js'

const BLOCKHASH = 0x40
const OLDEST = 256n

const blockHash = handlers.get(BLOCKHASH)
handlers.set(BLOCKHASH, async (state, common) => {
  const [number] = state.stack.peek(1)
  if (state.interpreter.getBlockNumber() - number !== OLDEST) return blockHash(state, common)
  state.stack.pop()
  state.stack.push(0n)
})
