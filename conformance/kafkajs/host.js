// Keeps KafkaJS at hand for the tests: reads one JSON object a line and answers each with one line.
// The operations are produce and consume, each with a client of its own.
'use strict'

const readline = require('node:readline')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
// KafkaJS has consumers of groups only: one partition is read by what they are made of.
const Cluster = require('kafkajs/src/cluster')
const createSocketFactory = require('kafkajs/src/network/socketFactory')
const { createLogger } = require('kafkajs/src/loggers')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4js')
const zstd = require('fzstd')

CompressionCodecs[CompressionTypes.Snappy] = snappy
// lz4js takes checksums of blocks to lie before them: it can't read what aiokafka sends. Brokers and other clients write none.
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async () => {
    throw new Error('it can read zstd, not write it')
  },
  decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
})

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}
const LOG_APPEND_TIME = 1

// Standard output belongs to the answers.
const logCreator = () => entry => console.error(JSON.stringify(entry.log))

const decoded = text => (text === null ? null : Buffer.from(text, 'base64'))
const encoded = data => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'))

function message(record, partition) {
  return {
    key: decoded(record.key),
    value: decoded(record.value),
    partition,
    headers: Object.fromEntries(record.headers.map(h => [h.key, decoded(h.value)])),
    ...(record.timestamp === null ? {} : { timestamp: String(record.timestamp) }),
  }
}

async function produce(ask) {
  const kafka = new Kafka({ brokers: [ask.bootstrap], logLevel: logLevel.WARN, logCreator })
  const producer = kafka.producer({
    idempotent: ask.idempotent,
    createPartitioner: () => () => ask.partition,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  try {
    const messages = ask.records.map(r => message(r, ask.partition))
    const calls = ask.alone ? messages.map(m => [m]) : [messages]
    const results = []
    for (const call of calls) {
      const request = { topic: ask.topic, acks: ask.acks, compression: CODECS[ask.codec], messages: call }
      const [answer] = await producer.send(request)
      const base = ask.acks === 0 ? undefined : Number(answer.baseOffset)
      call.forEach((_, i) => results.push({ offset: base === undefined ? -1 : base + i }))
    }
    return { results }
  } finally {
    await producer.disconnect()
  }
}

function consumed(found, partition) {
  return {
    partition,
    offset: Number(found.offset),
    timestamp: Number(found.timestamp),
    timestamp_type: found.batchContext.timestampType === LOG_APPEND_TIME ? 1 : 0,
    key: encoded(found.key),
    value: encoded(found.value),
    headers: Object.entries(found.headers).map(([key, value]) => ({ key, value: encoded(value) })),
  }
}

async function consume(ask) {
  const cluster = new Cluster({
    logger: createLogger({ level: logLevel.WARN, logCreator }),
    socketFactory: createSocketFactory(),
    brokers: [ask.bootstrap],
    clientId: 'kafkajs',
    connectionTimeout: 1000,
    requestTimeout: 30000,
    metadataMaxAge: 300000,
    offsets: new Map(),
  })
  await cluster.connect()
  try {
    await cluster.addTargetTopic(ask.topic)
    const leaders = cluster.findLeaderForPartitions(ask.topic, [ask.partition])
    const broker = await cluster.findBroker({ nodeId: Object.keys(leaders)[0] })
    return { records: await read(broker, ask) }
  } finally {
    await cluster.disconnect()
  }
}

async function read(broker, ask) {
  const records = []
  const deadline = Date.now() + ask.timeout_ms
  let next = ask.offset
  while (records.length < ask.count && Date.now() < deadline) {
    const partitions = [{ partition: ask.partition, fetchOffset: String(next), maxBytes: 1 << 20 }]
    const answer = await broker.fetch({
      maxWaitTime: 200,
      minBytes: 1,
      maxBytes: 10 << 20,
      topics: [{ topic: ask.topic, partitions }],
      rackId: '',
    })
    for (const found of answer.responses[0].partitions[0].messages) {
      if (Number(found.offset) >= next) {
        records.push(consumed(found, ask.partition))
      }
    }
    next = records.length ? records[records.length - 1].offset + 1 : next
  }
  return records
}

const OPERATIONS = { produce, consume }

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    let answer
    try {
      const ask = JSON.parse(line)
      answer = await OPERATIONS[ask.op](ask)
    } catch (error) {
      console.error(error)
      answer = { failed: String(error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
