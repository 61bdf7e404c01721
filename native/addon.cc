/*
 * The addon: reads batches from behind node-rdkafka's consumer, and hands windows of records to what is behind its producer.
 *
 * It says what it was built for and from, so that it is not used with another node-rdkafka, nor when it was left over from other sources.
 */

#include "client.h"

namespace kafka_rx {
namespace {

NAN_MODULE_INIT(Init) {
  InitReader(target);
  InitProducer(target);
  Nan::Set(target, Nan::New("sourceHash").ToLocalChecked(), Nan::New(SOURCE_HASH).ToLocalChecked());
  Nan::Set(target, Nan::New("nodeRdkafkaVersion").ToLocalChecked(), Nan::New(NODE_RDKAFKA_VERSION).ToLocalChecked());
  Nan::Set(target, Nan::New("librdkafkaVersion").ToLocalChecked(), Nan::New(rd_kafka_version_str()).ToLocalChecked());
}

}  // namespace
}  // namespace kafka_rx

NODE_MODULE(kafka_rx, kafka_rx::Init)
