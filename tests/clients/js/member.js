// SPDX-License-Identifier: Apache-2.0
'use strict'
// usage: member.js HOST:PORT TOPIC MEMBER GROUP=ASSIGNER...: a member of groups through kafkajs, as groups.py says.
const fs = require('fs')
const { Kafka, PartitionAssigners, logLevel } = require('kafkajs')

const [address, topic, name, ...groups] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 20 } })

class Member {
  constructor(argument) {
    const [groupId, assigner] = argument.split('=')
    this.groupId = groupId
    this.consumer = kafka.consumer({ groupId, partitionAssigners: [PartitionAssigners[assigner]], sessionTimeout: 6000, heartbeatInterval: 500,
      maxWaitTimeInMs: 50 })
    const { GROUP_JOIN, REBALANCING, CRASH } = this.consumer.events
    this.consumer.on(GROUP_JOIN, ({ payload }) => this.say('owns', [...(payload.memberAssignment[topic] || [])].sort().join()))
    this.consumer.on(REBALANCING, () => this.say('owns'))
    this.consumer.on(CRASH, ({ payload }) => this.crashed(payload))
  }

  /** One line is one write, which the pipe keeps whole. */
  say(...words) {
    fs.writeSync(1, [name, this.groupId, ...words].join(' ') + '\n')
  }

  async start() {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [topic], fromBeginning: true })
    await this.consumer.run({ autoCommit: false, eachBatch: each => this.take(each) })
  }

  /** What the commit throws is the client's to handle: it joins again when that is what the answer asks for. */
  async take({ batch: { partition, messages }, commitOffsetsIfNecessary }) {
    const last = messages[messages.length - 1].offset
    const offset = String(BigInt(last) + 1n)
    this.say('read', partition, messages[0].offset, last)
    await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset }] }] })
    this.say('committed', partition, offset)
  }

  crashed({ error, restart }) {
    this.say('failed', error.message.replace(/\n/g, ' '))
    this.say('owns')
    if (!restart)
      this.start()
  }
}

async function main() {
  const members = groups.map(argument => new Member(argument))
  await Promise.all(members.map(member => member.start()))
  for await (const _ of process.stdin)
    continue
  await Promise.all(members.map(member => member.consumer.disconnect()))
}

main()
