/** The pipeline of this library where the native reader could not be built. */
process.env['KAFKA_RX_READER'] = 'plain';
await import('./kafkaRx.js');
