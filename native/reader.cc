/*
 * Reads batches from behind node-rdkafka's consumer.
 *
 *   read(client, maxRecords, maxBytes, waitMs, callback)
 *   callback(rows, texts, columns, bytes), or callback(error)
 *   wake(client)                                    has a read that waits come back at once
 *   accepts(client)
 *
 * `client` is what `KafkaConsumer.getClient()` gives. It stays node-rdkafka's: settings, rebalances, errors, statistics and closing go on
 * through it, and its callbacks come while this reads, as they do while its own `consume` does.
 *
 * Threads. A worker of libuv's pool waits for the first message, takes what else is there without waiting, packs it and destroys the
 * messages. It holds node-rdkafka's connection lock meanwhile, as node-rdkafka's own reads do, so a disconnect waits for it, for `waitMs`
 * at most. The main thread only wraps two blocks of memory. There may be one read at a time per consumer; two would share its records
 * between them, out of order.
 *
 * Memory. Of each message everything is copied once, into `bytes`; then librdkafka gets it back. Both blocks are malloc'ed by the worker and
 * belong to their ArrayBuffers, which V8 counts as external memory and frees, on any of its threads, when the last view of them is gone.
 *
 * It reads with rd_kafka_consumer_poll, message by message. rd_kafka_consume_batch_queue would be a little faster, and loses records: it puts
 * the position one past each row, also past one that only says that the partition has ended (librdkafka #4844).
 */

#include <nan.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client.h"

namespace kafka_rx {
namespace {

/*
 * `columns`: for each row two doubles (offset, timestamp); then for each row the integers below; then for each header two integers, its
 * name's index in `texts` and the length of its value. A length of -1 is null. In `bytes` lie, row by row, key, value and header values.
 */
enum Column : size_t {
  TOPIC,       // index in `texts`, or -1 where an error is not about a topic
  PARTITION,   // or -1
  EPOCH,       // of the partition's leader when it wrote this, or -1
  CODE,        // 0; librdkafka's code in a row that is an error or the end of a partition, whose value is then the text
  START,       // in `bytes`
  KEY,         // length
  VALUE,       // length
  HEADER,      // index of the first
  HEADERS,     // how many
  SIZE,        // key, value, header names and values together
  TIME_TYPE,   // librdkafka's: 0 none, 1 set by who produced the record, 2 by the broker that appended it
  INTEGERS
};
constexpr size_t DOUBLES = 2;

struct Destroy {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, Destroy>;

struct Free {
  void operator()(void* block) const { std::free(block); }
};

/* A block of memory that becomes an ArrayBuffer. */
class Block {
 public:
  bool Allocate(size_t size) {
    size_ = size;
    data_.reset(std::malloc(size == 0 ? 1 : size));
    return data_ != nullptr;
  }

  char* data() const { return static_cast<char*>(data_.get()); }

  v8::Local<v8::ArrayBuffer> ToArrayBuffer() {
    // With a deleter of our own V8 counts the block as external memory; with its empty one it would not.
    auto store = v8::ArrayBuffer::NewBackingStore(
        data_.release(), size_, [](void* data, size_t, void*) { std::free(data); }, nullptr);
    return v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(store));
  }

 private:
  std::unique_ptr<void, Free> data_;
  size_t size_ = 0;
};

/* The texts of a batch, each of them once. */
class Texts {
 public:
  int32_t IndexOf(std::string_view text) {
    auto found = indexes_.find(text);
    if (found != indexes_.end()) return found->second;
    texts_.emplace_back(text);
    auto index = static_cast<int32_t>(texts_.size()) - 1;
    indexes_.emplace(texts_.back(), index);
    return index;
  }

  v8::Local<v8::Array> ToArray() const {
    auto array = Nan::New<v8::Array>(static_cast<int>(texts_.size()));
    for (uint32_t i = 0; i < texts_.size(); i += 1) {
      Nan::Set(array, i, Nan::New<v8::String>(texts_[i]).ToLocalChecked());
    }
    return array;
  }

 private:
  std::deque<std::string> texts_;  // which do not move, so they can be keys
  std::unordered_map<std::string_view, int32_t> indexes_;
};

/* Its value lies in the message. */
struct Header {
  int32_t name;
  const void* value;
  size_t size;
};

/* One row, before it is packed. */
struct Row {
  Message message;  // none if there was no client to ask
  rd_kafka_resp_err_t code;
  std::string_view text;
  size_t headers;
  size_t names;
};

class Read : public Nan::AsyncWorker {
 public:
  Read(Nan::Callback* callback, v8::Local<v8::Object> client, size_t maxRecords, size_t maxBytes, int waitMs)
      : Nan::AsyncWorker(callback, "kafka-rx:read"),
        connection_(Nan::ObjectWrap::Unwrap<Connection>(client)),
        maxRecords_(maxRecords),
        maxBytes_(maxBytes),
        waitMs_(waitMs) {
    SaveToPersistent("client", client);
  }

  void Execute() override {
    Held held(connection_);
    rd_kafka_t* client = held.client();
    if (client == nullptr) {
      AddError(RD_KAFKA_RESP_ERR__STATE, "the client is not connected");
    } else {
      Take(client);
    }
    Pack();
    rows_.clear();
  }

  void HandleOKCallback() override {
    Nan::HandleScope scope;
    v8::Local<v8::Value> argv[] = {Nan::New(static_cast<uint32_t>(packed_)), texts_.ToArray(), columns_.ToArrayBuffer(),
                                   bytes_.ToArrayBuffer()};
    callback->Call(4, argv, async_resource);
  }

 private:
  void Take(rd_kafka_t* client) {
    rows_.reserve(maxRecords_);
    size_t bytes = 0;
    for (int waitMs = waitMs_; rows_.size() < maxRecords_ && bytes < maxBytes_; waitMs = 0) {
      Message message(rd_kafka_consumer_poll(client, waitMs));
      if (message == nullptr) return;
      rd_kafka_resp_err_t code = message->err;
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        bytes += AddRecord(std::move(message));
      } else {
        std::string_view text(rd_kafka_message_errstr(message.get()));
        AddError(code, text, std::move(message));
        // Whoever reads must get to know it before what comes after.
        if (code != RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
      }
    }
  }

  size_t AddRecord(Message message) {
    size_t headers = headers_.size();
    size_t names = 0;
    size_t bytes = message->key_len + message->len;
    rd_kafka_headers_t* list = nullptr;
    if (rd_kafka_message_headers(message.get(), &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* name = nullptr;
      const void* value = nullptr;
      size_t size = 0;
      for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i += 1) {
        std::string_view text(name);
        headers_.push_back({texts_.IndexOf(text), value, size});
        names += text.size();
        bytes += size;
      }
    }
    total_ += bytes;
    rows_.push_back({std::move(message), RD_KAFKA_RESP_ERR_NO_ERROR, {}, headers_.size() - headers, names});
    return bytes + names;
  }

  void AddError(rd_kafka_resp_err_t code, std::string_view text, Message message = nullptr) {
    total_ += text.size();
    rows_.push_back({std::move(message), code, text, 0, 0});
  }

  void Pack() {
    size_t integers = rows_.size() * INTEGERS + headers_.size() * 2;
    if (!columns_.Allocate(rows_.size() * DOUBLES * sizeof(double) + integers * sizeof(int32_t)) || !bytes_.Allocate(total_)) {
      SetErrorMessage("kafka-rx: out of memory");
      return;
    }
    packed_ = rows_.size();
    double* doubles = reinterpret_cast<double*>(columns_.data());
    int32_t* row = reinterpret_cast<int32_t*>(doubles + rows_.size() * DOUBLES);
    int32_t* header = row + rows_.size() * INTEGERS;
    size_t nextHeader = 0;
    for (const Row& from : rows_) {
      const rd_kafka_message_t* message = from.message.get();
      bool isRecord = from.code == RD_KAFKA_RESP_ERR_NO_ERROR;
      size_t start = at_;
      doubles[0] = message == nullptr ? -1 : static_cast<double>(message->offset);
      rd_kafka_timestamp_type_t timeType = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      doubles[1] = isRecord ? static_cast<double>(rd_kafka_message_timestamp(message, &timeType)) : -1;
      row[TOPIC] = message == nullptr ? -1 : TopicOf(message);
      row[PARTITION] = message == nullptr ? -1 : message->partition;
      row[EPOCH] = isRecord ? rd_kafka_message_leader_epoch(message) : -1;
      row[CODE] = from.code;
      row[START] = static_cast<int32_t>(start);
      row[KEY] = isRecord ? Append(message->key, message->key_len) : -1;
      row[VALUE] = isRecord ? Append(message->payload, message->len) : Append(from.text.data(), from.text.size());
      row[HEADER] = static_cast<int32_t>(nextHeader);
      row[HEADERS] = static_cast<int32_t>(from.headers);
      for (size_t end = nextHeader + from.headers; nextHeader < end; nextHeader += 1) {
        *header++ = headers_[nextHeader].name;
        *header++ = Append(headers_[nextHeader].value, headers_[nextHeader].size);
      }
      row[SIZE] = static_cast<int32_t>(at_ - start + from.names);
      row[TIME_TYPE] = timeType;
      doubles += DOUBLES;
      row += INTEGERS;
    }
  }

  int32_t Append(const void* data, size_t size) {
    if (data == nullptr) return -1;
    std::memcpy(bytes_.data() + at_, data, size);
    at_ += size;
    return static_cast<int32_t>(size);
  }

  /* Messages come in runs of one topic. */
  int32_t TopicOf(const rd_kafka_message_t* message) {
    if (message->rkt == nullptr) return -1;
    if (message->rkt != lastTopic_) {
      lastTopic_ = message->rkt;
      lastIndex_ = texts_.IndexOf(rd_kafka_topic_name(message->rkt));
    }
    return lastIndex_;
  }

  Connection* const connection_;
  const size_t maxRecords_;
  const size_t maxBytes_;
  const int waitMs_;
  std::vector<Row> rows_;
  std::vector<Header> headers_;
  Texts texts_;
  const rd_kafka_topic_t* lastTopic_ = nullptr;
  int32_t lastIndex_ = -1;
  size_t total_ = 0;
  size_t at_ = 0;
  size_t packed_ = 0;
  Block columns_;
  Block bytes_;
};

NAN_METHOD(Accepts) { info.GetReturnValue().Set(IsClient(info[0], "KafkaConsumer")); }

NAN_METHOD(StartRead) {
  if (info.Length() != 5 || !IsClient(info[0], "KafkaConsumer") || !info[4]->IsFunction()) {
    return Nan::ThrowTypeError("kafka-rx: read(client, maxRecords, maxBytes, waitMs, callback), client one of node-rdkafka's consumers");
  }
  auto* callback = new Nan::Callback(info[4].As<v8::Function>());
  Nan::AsyncQueueWorker(new Read(callback, info[0].As<v8::Object>(), Nan::To<uint32_t>(info[1]).FromJust(),
                                 Nan::To<uint32_t>(info[2]).FromJust(), Nan::To<int32_t>(info[3]).FromJust()));
}

/* One that has yet to begin waits not at all, unless records are there. */
NAN_METHOD(Wake) {
  if (info.Length() != 1 || !IsClient(info[0], "KafkaConsumer")) {
    return Nan::ThrowTypeError("kafka-rx: wake(client), client one of node-rdkafka's consumers");
  }
  Held held(Nan::ObjectWrap::Unwrap<Connection>(info[0].As<v8::Object>()), std::try_to_lock);
  rd_kafka_t* client = held.client();
  rd_kafka_queue_t* queue = client == nullptr ? nullptr : rd_kafka_queue_get_consumer(client);
  if (queue == nullptr) return;
  rd_kafka_queue_yield(queue);
  rd_kafka_queue_destroy(queue);
}

}  // namespace

void InitReader(v8::Local<v8::Object> target) {
  Nan::SetMethod(target, "accepts", Accepts);
  Nan::SetMethod(target, "read", StartRead);
  Nan::SetMethod(target, "wake", Wake);
}

}  // namespace kafka_rx
