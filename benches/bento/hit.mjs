// A hit of BentoCache's second tier, for benches/redis_hit: asked for turn by turn over stdin, told as JSON over stdout.
//
//   node hit.mjs PORT STORE
//     fill KEYS BYTES      stores so many values of so many bytes                          → {}
//     ask CALLERS MILLIS   so many callers ask for them, each again once it is answered    → {"calls":…,"millis":…}
//
// STORE is what its documentation calls a store:
//   redis    the Redis driver alone, so that each read goes to Redis
//   tiered   a memory in front of it, whose copies have ended when they are asked for again
//   batched  as `redis`, with the client told to send what is asked at once together, which is off unless asked for

import { createInterface } from 'node:readline'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisDriver } from 'bentocache/drivers/redis'

const [port, name] = process.argv.slice(2)
const driver = (options) => redisDriver({ connection: { host: '127.0.0.1', port: Number(port), ...options } })
const stores = {
  redis: bentostore().useL2Layer(driver()),
  tiered: bentostore().useL1Layer(memoryDriver({ maxSize: '64mb' })).useL2Layer(driver()),
  batched: bentostore().useL2Layer(driver({ enableAutoPipelining: true })),
}
// Filled by another cache than the one that is asked, whose memory stays empty.
const filling = new BentoCache({ default: 'redis', stores: { redis: bentostore().useL2Layer(driver()) } })
const cache = new BentoCache({ default: name, stores: { [name]: stores[name] } })

// What a read is kept for in memory where there is one: asked for again, it is long over.
const ttl = name === 'tiered' ? '1ms' : '1h'
const factory = () => {
  throw new Error('it is not in Redis')
}

let [keys, bytes] = [0, 0]

async function fill() {
  const value = 'x'.repeat(bytes)
  for (let key = 0; key < keys; key += 1) {
    await filling.set({ key: `bench:${key}`, value, ttl: '1h' })
  }
}

async function ask(callers, millis) {
  const began = performance.now()
  const end = began + millis
  let calls = 0
  const share = keys / callers
  // No two of them ask for the same.
  const caller = async (_, number) => {
    for (let at = 0; performance.now() < end; at = (at + 1) % share) {
      const value = await cache.getOrSet({ key: `bench:${number * share + at}`, ttl, factory })
      if (value.length !== bytes) throw new Error('it is another value')
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return { calls, millis: performance.now() - began }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, ...rest] = line.split(' ')
  const numbers = rest.map(Number)
  if (word === 'fill') {
    ;[keys, bytes] = numbers
    await fill()
    console.log('{}')
  } else {
    console.log(JSON.stringify(await ask(...numbers)))
  }
}
await Promise.all([filling.disconnectAll(), cache.disconnectAll()])
