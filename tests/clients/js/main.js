// SPDX-License-Identifier: Apache-2.0
'use strict'
// usage: main.js HOST:PORT DATA_DIRECTORY [PATTERN]: what most users of kafkajs do; the last line is `N passed, N failed`. What it sends is
// the content of ../content.py but for the header without a value, which the client cannot send; it sends headers of one name together.
const assert = require('assert')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const [address, , pattern] = process.argv.slice(2)
const COUNT = 300, PARTITIONS = 3, FIRST_MS = 1700000000000, STEP_MS = 1000
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
const SETTINGS = [{ name: 'retention.ms', value: '-1' }, { name: 'max.message.bytes', value: '100000' }]

const kafka = new Kafka({ clientId: 'suite', brokers: [address], logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 20 } })
const admin = kafka.admin()

/** Record i of the content. */
function record(i) {
  return {
    partition: i % PARTITIONS, timestamp: String(FIRST_MS + i * STEP_MS - (i % 11 === 0 ? 5000 : 0)),
    key: i % 10 === 3 ? null : Buffer.from(i % 10 === 4 ? '' : `key-${i}-größe-漢字`),
    value: i % 10 === 5 ? null : Buffer.from(i % 10 === 6 ? '' : `value-${i}-🙂-${'abcdefghij'.repeat(i % 50)}`),
    headers: { number: i % 7 === 0 ? [String(i), 'again'] : String(i), empty: '', 'größe-漢字': 'naïve-🙂' }
  }
}

function check(topic, partition, message, start = 0) {
  const wanted = record((Number(message.offset) - start) * PARTITIONS + partition)
  const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]))
  assert.deepStrictEqual({ partition, timestamp: message.timestamp, key: message.key, value: message.value, headers }, wanted, `${topic}-${partition}@${message.offset}`)
}

/** Makes a topic, and waits until it is served: Kafka answers before that, and the client's own wait gives up at its first "unknown".
 *  False when it was there. */
async function create(topic, numPartitions) {
  const made = await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries: SETTINGS }] })
  for (const end = Date.now() + 10000, served = () => admin.fetchTopicOffsets(topic).catch(() => null); !await served();)
    assert(Date.now() < end, `${topic} is not served`)
  return made
}

/** Waits until the group's coordinator serves it: Kafka makes the topic of offsets when it is asked for the first time, and what a member
 *  is told until that is loaded ends it. */
async function coordinated(groupId, topic) {
  for (const end = Date.now() + 30000, served = () => admin.fetchOffsets({ groupId, topics: [topic] }).catch(() => null); !await served();)
    assert(Date.now() < end, `${groupId} has no coordinator`)
}

async function send(topic, compression, messages = [...Array(COUNT).keys()].map(record)) {
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  try {
    await producer.send({ topic, compression, messages })
  } finally {
    await producer.disconnect()
  }
}

/** Reads that many records as a member of the group, commits them, and leaves. */
async function read(groupId, topic, count, each) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
  const next = {}
  let left = count
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  try {
    await new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => {
        try {
          each(partition, message)
        } catch (error) {
          reject(error)
        }
        next[partition] = String(Number(message.offset) + 1)
        if (--left === 0)
          resolve()
      } })
    })
    await consumer.commitOffsets(Object.entries(next).map(([partition, offset]) => ({ topic, partition: Number(partition), offset })))
  } finally {
    await consumer.disconnect()
  }
}

const cases = {
  async topics() {
    assert.strictEqual(await create('kafkajs-made', 4), true)
    assert.strictEqual(await create('kafkajs-made', 4), false)
    const { topics: [made] } = await admin.fetchTopicMetadata({ topics: ['kafkajs-made'] })
    assert.strictEqual(made.partitions.length, 4)
    const { resources: [{ configEntries }] } = await admin.describeConfigs({ resources: [{ type: 2, name: 'kafkajs-made' }] })
    assert.strictEqual(configEntries.find(entry => entry.configName === 'max.message.bytes').configValue, '100000')
    await admin.deleteTopics({ topics: ['kafkajs-made'] })
    for (const end = Date.now() + 10000; (await admin.listTopics()).includes('kafkajs-made');)
      assert(Date.now() < end, 'still listed')
  },

  async 'offsets at the ends and by time'() {
    await create('kafkajs-offsets', PARTITIONS)
    await send('kafkajs-offsets', CompressionTypes.None)
    for (const { low, high } of await admin.fetchTopicOffsets('kafkajs-offsets'))
      assert.deepStrictEqual([low, high], ['0', '100'])
    for (const { offset } of await admin.fetchTopicOffsetsByTimestamp('kafkajs-offsets', FIRST_MS + 150 * STEP_MS))
      assert.strictEqual(offset, '50')
  },

  async 'too large'() {
    await create('kafkajs-small', 1)
    await assert.rejects(send('kafkajs-small', CompressionTypes.None, [{ partition: 0, value: 'x'.repeat(200000) }]), { type: 'MESSAGE_TOO_LARGE' })
    assert.strictEqual((await admin.fetchTopicOffsets('kafkajs-small'))[0].high, '0')
  },

  /** The first round reads and commits the content, the second only what came behind it. */
  async 'reads as a group'() {
    await create('kafkajs-group', PARTITIONS)
    await coordinated('kafkajs-readers', 'kafkajs-group')
    for (const round of [0, 1]) {
      await send('kafkajs-group', CompressionTypes.None)
      await read('kafkajs-readers', 'kafkajs-group', COUNT, (partition, message) => check('kafkajs-group', partition, message, round * 100))
      const [{ partitions }] = await admin.fetchOffsets({ groupId: 'kafkajs-readers', topics: ['kafkajs-group'] })
      assert(partitions.every(({ offset }) => offset === String((round + 1) * 100)), JSON.stringify(partitions))
    }
    const { groups: [{ state }] } = await admin.describeGroups(['kafkajs-readers'])
    assert.strictEqual(state, 'Empty')
    const names = async () => (await admin.listGroups()).groups.map(group => group.groupId)
    assert((await names()).includes('kafkajs-readers'))
    await admin.deleteGroups(['kafkajs-readers'])
    assert(!(await names()).includes('kafkajs-readers'))
  }
}

for (const [name, codec] of Object.entries(CODECS)) {
  cases[name] = async () => {
    const topic = `kafkajs-${name}`
    await create(topic, PARTITIONS)
    await send(topic, codec)
    await read(`${topic}-readers`, topic, COUNT, (partition, message) => check(topic, partition, message))
  }
}

async function main() {
  const counts = { passed: 0, failed: 0 }
  await admin.connect()
  for (const [name, body] of Object.entries(cases).filter(([name]) => new RegExp(pattern || '').test(`kafkajs ${name}`))) {
    const start = Date.now()
    const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`
    try {
      await body()
      counts.passed++
      console.log(`ok    kafkajs ${name}  ${seconds()}`)
    } catch (error) {
      counts.failed++
      console.log(`FAIL  kafkajs ${name}  ${seconds()}: ${error.stack}`)
    }
  }
  await admin.disconnect()
  console.log(`${counts.passed} passed, ${counts.failed} failed`)
  process.exitCode = counts.failed > 0 ? 1 : 0
}

main()
