/*
 * The addon: reads batches from behind node-rdkafka's consumer, and hands windows of records to what is behind its producer.
 *
 * It says what it was built for and from, so that it is not used with another node-rdkafka, nor when it was left over from other sources.
 */

#include <cstdlib>

#include "client.h"

namespace kafka_rx {
namespace {

/*
 * What is freed is what the next batch or window asks for. glibc gives it back to the system before, all above 128 KiB at the end of a heap, and
 * each of its pages costs a fault again: with values of 1 KB a tenth of the CPU time of writing, and a quarter of that of reading. What it
 * keeps is twice the largest block that it has seen freed, so it is shown one, which nobody touches and which takes no memory. It does not learn
 * where MALLOC_TRIM_THRESHOLD_ or the like is set.
 */
constexpr size_t LARGE_BLOCK = 8 << 20;

void KeepFreedMemory() {
  void* volatile block = std::malloc(LARGE_BLOCK);
  std::free(block);
}

NAN_MODULE_INIT(Init) {
  KeepFreedMemory();
  InitReader(target);
  InitProducer(target);
  Nan::Set(target, Nan::New("sourceHash").ToLocalChecked(), Nan::New(SOURCE_HASH).ToLocalChecked());
  Nan::Set(target, Nan::New("nodeRdkafkaVersion").ToLocalChecked(), Nan::New(NODE_RDKAFKA_VERSION).ToLocalChecked());
  Nan::Set(target, Nan::New("librdkafkaVersion").ToLocalChecked(), Nan::New(rd_kafka_version_str()).ToLocalChecked());
}

}  // namespace
}  // namespace kafka_rx

NODE_MODULE(kafka_rx, kafka_rx::Init)
