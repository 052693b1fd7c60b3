// A kafkajs client does what applications do with it: admin, produce, consume in a
// group, transactions that commit and abort. Prints one line per step that held and
// ends with status 0; the first that does not hold ends it with status 1.
const assert = require('node:assert');
const { Kafka, logLevel, CompressionTypes, ConfigResourceTypes } = require('kafkajs');

// The environment says how to connect.
const security = process.env.SASL_MECHANISM ? {
  ssl: { ca: [require('node:fs').readFileSync(process.env.SSL_CA)] },
  sasl: { mechanism: process.env.SASL_MECHANISM.toLowerCase(), username: process.env.SASL_USER, password: process.env.SASL_PASSWORD },
} : {};

const kafka = new Kafka({
  clientId: 'millrace-conformance',
  brokers: [process.env.BROKER],
  ...security,
  logLevel: logLevel.ERROR,
});
const topic = 'kafkajs-scenario';

const step = (name) => console.log(`ok ${name}`);

// collect reads a topic from its beginning in a group until n messages have come.
async function collect(groupId, n, { partitions = 1 } = {}) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 });
  const seen = [];
  let done;
  const enough = new Promise((resolve) => { done = resolve; });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: partitions,
    eachMessage: async ({ partition, message }) => {
      seen.push({ partition, offset: message.offset, key: message.key && message.key.toString(), value: message.value.toString(), headers: message.headers });
      if (seen.length === n) done();
    },
  });
  await enough;
  await consumer.disconnect(); // commits
  return seen;
}

async function administrate(admin) {
  assert.equal(await admin.createTopics({
    topics: [{ topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '3600000' }] }],
  }), true);
  assert.equal(await admin.createTopics({ topics: [{ topic }] }), false, 'a topic is created twice');
  assert.ok((await admin.listTopics()).includes(topic));
  const { topics: [described] } = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.equal(described.partitions.length, 3);
  const cluster = await admin.describeCluster();
  assert.equal(cluster.brokers.length, 1);
  assert.ok(cluster.clusterId.length > 0);
  step('admin: create, list, describe');

  const configs = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] });
  const retention = configs.resources[0].configEntries.find((c) => c.configName === 'retention.ms');
  assert.equal(retention.configValue, '3600000');
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '7200000' }] }] });
  step('admin: configs');

  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
  assert.equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 4);
  step('admin: more partitions');
}

async function produceAndConsume() {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (const [i, compression] of [CompressionTypes.None, CompressionTypes.GZIP].entries()) {
    const [result] = await producer.send({
      topic, compression,
      messages: Array.from({ length: 50 }, (_, n) => ({ key: `k${n}`, value: `v${i}-${n}`, headers: { round: `${i}` } })),
    });
    assert.equal(result.errorCode, 0);
  }
  await producer.disconnect();
  const seen = await collect('group-a', 100);
  assert.equal(new Set(seen.map((m) => m.value)).size, 100);
  assert.equal(seen.find((m) => m.value === 'v1-7').headers.round.toString(), '1');
  for (let n = 0; n < 50; n++) {
    assert.equal(new Set(seen.filter((m) => m.key === `k${n}`).map((m) => m.partition)).size, 1, 'a key is in two partitions');
  }
  step('produce (idempotent, gzip) and consume in a group');
}

async function transactions(admin) {
  const producer = kafka.producer({ transactionalId: 'kafkajs-tx', maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const aborted = await producer.transaction();
  await aborted.send({ topic, messages: [{ key: 'k1', value: 'aborted' }] });
  await aborted.abort();
  const committed = await producer.transaction();
  await committed.send({ topic, messages: [{ key: 'k1', value: 'committed' }] });
  await committed.sendOffsets({ consumerGroupId: 'group-tx', topics: [{ topic, partitions: [{ partition: 0, offset: '5' }] }] });
  await committed.commit();
  await producer.disconnect();

  const seen = await collect('group-b', 101);
  assert.ok(seen.some((m) => m.value === 'committed'));
  assert.ok(!seen.some((m) => m.value === 'aborted'), 'aborted data was read');
  const [{ partitions }] = await admin.fetchOffsets({ groupId: 'group-tx', topics: [topic] });
  assert.equal(partitions.find((p) => p.partition === 0).offset, '5');
  step('transactions: abort, commit, offsets');
}

async function groups(admin) {
  const { groups: listed } = await admin.listGroups();
  const ids = listed.map((g) => g.groupId);
  assert.ok(ids.includes('group-a') && ids.includes('group-b'), `listed ${ids}`);
  const { groups: [described] } = await admin.describeGroups(['group-a']);
  assert.equal(described.state, 'Empty');
  const [{ partitions }] = await admin.fetchOffsets({ groupId: 'group-a', topics: [topic] });
  const ends = await admin.fetchTopicOffsets(topic);
  const committed = partitions.reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0);
  assert.equal(committed, 100);
  assert.ok(ends.reduce((sum, p) => sum + Number(p.high), 0) > 100, 'markers take offsets too');
  const [never] = await admin.fetchOffsets({ groupId: 'never-seen', topics: [topic] });
  assert.ok(never.partitions.every((p) => p.offset === '-1'));
  await admin.resetOffsets({ groupId: 'group-a', topic, earliest: true });
  await admin.deleteGroups(['group-a']);
  assert.ok(!(await admin.listGroups()).groups.some((g) => g.groupId === 'group-a'));
  step('groups: list, describe, offsets, reset, delete');
}

async function cleanUp(admin) {
  const before = await admin.fetchTopicOffsets(topic);
  const p = before.find((o) => Number(o.high) > 1);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: p.partition, offset: '1' }] });
  const after = await admin.fetchTopicOffsets(topic);
  assert.equal(after.find((o) => o.partition === p.partition).low, '1');
  await admin.deleteTopics({ topics: [topic] });
  assert.ok(!(await admin.listTopics()).includes(topic));
  step('admin: delete records, delete topic');
}

(async () => {
  const admin = kafka.admin();
  await admin.connect();
  await administrate(admin);
  await produceAndConsume();
  await transactions(admin);
  await groups(admin);
  await cleanUp(admin);
  await admin.disconnect();
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
