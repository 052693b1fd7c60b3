// A @platformatic/kafka client does what applications do with it: admin, produce, consume
// in a group of either protocol, transactions. It speaks only the newer, flexible
// versions of requests. Prints one line per step that held and ends with status 0; the
// first that does not hold ends it with status 1.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import zlib from 'node:zlib';
import { Admin, Consumer, Producer, MessagesStreamModes, stringDeserializers, stringSerializers } from '@platformatic/kafka';

// The environment says how to connect.
const base = {
  clientId: 'millrace-conformance',
  bootstrapBrokers: [process.env.BROKER],
  ...(process.env.SASL_MECHANISM ? {
    tls: { ca: [readFileSync(process.env.SSL_CA)] },
    sasl: { mechanism: process.env.SASL_MECHANISM, username: process.env.SASL_USER, password: process.env.SASL_PASSWORD },
  } : {}),
};
const topic = 'platformatic-scenario';
const step = (name) => console.log(`ok ${name}`);

// collect reads the topic from its beginning in a group until n messages have come.
async function collect(groupId, n, options = {}) {
  const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, maxWaitTime: 200, ...options });
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: true });
  const seen = [];
  for await (const message of stream) {
    seen.push(message);
    if (seen.length === n) break;
  }
  await consumer.close(true);
  return seen;
}

async function administrate(admin) {
  const [created] = await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1, configs: [{ name: 'retention.ms', value: '3600000' }] });
  assert.equal(created.partitions, 3);
  assert.equal(created.configuration['retention.ms'], '3600000');
  await assert.rejects(admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 }), 'a topic is created twice');
  assert.ok((await admin.listTopics()).includes(topic));
  await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: null }] });
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
  assert.equal(metadata.topics.get(topic).partitionsCount, 4);
  assert.equal(metadata.brokers.size, 1);
  step('admin: create, list, more partitions');
}

async function produceAndConsume() {
  const values = [];
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', ...(zlib.zstdCompressSync ? ['zstd'] : [])]) {
    const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true, compression });
    const messages = Array.from({ length: 100 }, (_, i) => ({ topic, key: `k${i}`, value: `${compression}-${i}`, headers: { codec: compression } }));
    await producer.send({ messages });
    values.push(...messages.map((m) => m.value));
    await producer.close();
  }
  for (const [groupId, options] of [['platformatic-classic', {}], ['platformatic-consumer', { groupProtocol: 'consumer' }]]) {
    const seen = await collect(groupId, values.length, options);
    assert.deepEqual(seen.map((m) => m.value).sort(), values.toSorted());
    assert.equal(seen.find((m) => m.value === 'gzip-7').headers.get('codec'), 'gzip');
    step(`produce (idempotent, all codecs) and consume: ${groupId}`);
  }
  return values.length;
}

async function groups(admin, written) {
  const listed = await admin.listGroups({ types: ['classic', 'consumer'] });
  assert.ok(listed.has('platformatic-classic') && listed.has('platformatic-consumer'), `listed ${[...listed.keys()]}`);
  const described = await admin.describeGroups({ groups: ['platformatic-classic'] });
  assert.match(described.get('platformatic-classic').state, /empty/i);
  const [{ topics: [{ partitions }] }] = await admin.listConsumerGroupOffsets({
    groups: [{ groupId: 'platformatic-classic', topics: [{ name: topic, partitionIndexes: [0, 1, 2, 3] }] }],
  });
  assert.equal(partitions.reduce((sum, p) => sum + Math.max(0, Number(p.committedOffset)), 0), written);
  await admin.deleteGroups({ groups: ['platformatic-classic'] });
  assert.ok(!(await admin.listGroups()).has('platformatic-classic'));
  step('groups: list, describe, offsets, delete');
}

async function transactions(written) {
  const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true, transactionalId: 'platformatic-tx' });
  for (const [value, end] of [['aborted', 'abort'], ['committed', 'commit']]) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic, key: 'k1', value }] });
    await transaction[end]();
  }
  await producer.close();
  const seen = (await collect('platformatic-tx', written + 1, { isolationLevel: 1 })).map((m) => m.value);
  assert.ok(seen.includes('committed'));
  assert.ok(!seen.includes('aborted'), 'aborted data was read');
  step('transactions: abort, commit');
}

async function cleanUp(admin) {
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
  step('admin: delete topic');
}

const admin = new Admin(base);
try {
  await administrate(admin);
  const written = await produceAndConsume();
  await groups(admin, written);
  await transactions(written);
  await cleanUp(admin);
} finally {
  await admin.close();
}
