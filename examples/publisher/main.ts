import { createServer } from 'node:http';
import { Kafka, publisher } from 'kafka-rx';

// Takes messages over HTTP and answers at once, whether Kafka is there or not.
//
//   curl -d '{"load":0.3}' localhost:8080/cpu     202, or 503 if there is no room
//   curl localhost:8080/statistics                what became of them
//   curl -X DELETE localhost:8080/statistics      count anew
//   curl localhost:8080/health                    200 while messages go straight to Kafka, else 503
const { BROKERS = 'localhost:9092', TOPIC = 'metrics', SPILL = './spill', PORT = '8080' } = process.env;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const metrics = publisher(kafka, { topic: TOPIC, spill: SPILL, maxSpillBytes: 100 * 1_024 * 1_024 });

const server = createServer((request, response) => {
  const { method, url = '/' } = request;
  const answer = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  if (url === '/statistics') {
    if (method === 'DELETE') metrics.resetStats();
    answer(200, metrics.stats());
  } else if (url === '/health') {
    const { state } = metrics.stats();
    answer(state === 'kafka' ? 200 : 503, { state });
  } else if (method === 'POST') {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = metrics.send(url.slice(1), Buffer.concat(chunks));
      answer(sent.accepted ? 202 : sent.reason === 'queue-full' ? 503 : 400, sent.accepted ? sent : { reason: sent.reason });
    });
  } else answer(404, {});
});
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(JSON.stringify(server.address()));
});

process.once('SIGTERM', () => {
  server.close();
  // What Kafka has not taken by then is on disk.
  void kafka.close();
});
