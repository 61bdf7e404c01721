/*
 * Hands windows of records to what is behind node-rdkafka's producer, and tells what became of each.
 *
 *   outbox = new Outbox(client, onReports)          before the client connects
 *   outbox.start()                                  when it has
 *   outbox.send(topics, bytes, columns, headers, timestamps, first, count, callback?)
 *   outbox.take(integers, doubles)                  how many reports it put there
 *   outbox.stop()                                   before the client is closed
 *   outbox.close()                                  when it is
 *
 * `client` is what `Producer.getClient()` gives. It stays node-rdkafka's: settings, errors, statistics and closing go on through it. Only its
 * delivery reports are taken from it: node-rdkafka would take for its own what we give a message to carry. So `poll` must not be called on it;
 * whoever else polls, as a closing client does, gets reports that nobody hears of.
 *
 * Threads. `send` copies the window into librdkafka's queue: here and now, or on a worker of libuv's pool if it is given a callback; one at a
 * time per outbox, for two would mix their orders. From `start` to `stop` a thread of our own polls: reports come to it, wait in `reports_`
 * under a lock, and wake the main thread when they are the first; errors and statistics go on to node-rdkafka's callbacks, which take them
 * on any thread. Both hold the connection lock meanwhile, like node-rdkafka's own calls. No handle keeps the process alive.
 *
 * Memory. What a message carries is the number that JavaScript gave it, never a pointer. `bytes` and the columns belong to JavaScript, which
 * leaves them alone until `send` has answered. An outbox lives until `close`, and its client as long as it.
 *
 * An interceptor of librdkafka's would see acknowledgements without a poll. It is not used: where rd_kafka_new fails, for a wrong setting, it
 * frees the interceptors of its settings twice.
 */

#include <nan.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client.h"

namespace kafka_rx {
namespace {

/* `columns`: for each row the integers below. In `bytes` lie key, value, header names and values. A length of -1 is null. */
enum Column : size_t {
  ID,         // what its report will say
  TOPIC,      // index in `topics`
  PARTITION,  // or -1: librdkafka's partitioner chooses
  START,      // in `bytes`
  KEY,        // length
  VALUE,      // length
  HEADER,     // index of the first in `headers`, where each has two lengths: name and value
  HEADERS,    // how many
  INTEGERS
};

/* `take` puts there, for each report: */
enum ReportInteger : size_t { REPORT_ID, CODE, REPORT_PARTITION, REPORT_INTEGERS };
enum ReportDouble : size_t { OFFSET, TIMESTAMP, REPORT_DOUBLES };

/* In place of the partition: the queue did not take the message. */
constexpr int32_t NOT_TAKEN = -2;

struct Report {
  int32_t id;
  int32_t code;  // librdkafka's, 0 for success
  int32_t partition;
  int64_t offset;
  int64_t timestamp;
};

struct Window {
  std::vector<std::string> topics;
  const char* bytes;
  const int32_t* columns;
  const int32_t* headers;
  const double* timestamps;  // 0: now
  size_t first;
  size_t count;
};

/* How long the thread waits when nothing comes. */
constexpr int POLL_MS = 100;

class Outbox;

/* Whose thread this is. */
thread_local Outbox* polling = nullptr;

class Outbox : public Nan::ObjectWrap {
 public:
  static void Init(v8::Local<v8::Object> target) {
    auto constructor = Nan::New<v8::FunctionTemplate>(New);
    constructor->SetClassName(Nan::New("Outbox").ToLocalChecked());
    constructor->InstanceTemplate()->SetInternalFieldCount(1);
    Nan::SetPrototypeMethod(constructor, "start", Start);
    Nan::SetPrototypeMethod(constructor, "send", Send);
    Nan::SetPrototypeMethod(constructor, "take", Take);
    Nan::SetPrototypeMethod(constructor, "stop", Stop);
    Nan::SetPrototypeMethod(constructor, "close", Close);
    Nan::Set(target, Nan::New("Outbox").ToLocalChecked(), Nan::GetFunction(constructor).ToLocalChecked());
  }

  /* Hands over what there is room for, and returns the first row that there was none for. */
  size_t Enqueue(const Window& window) {
    Held held(connection_);
    rd_kafka_t* client = held.client();
    if (client == nullptr) return window.count;
    Topics topics(client, window.topics);
    size_t row = window.first;
    for (; row < window.count; row += 1) {
      const int32_t* column = window.columns + row * INTEGERS;
      rd_kafka_resp_err_t code = EnqueueOne(client, topics.At(column[TOPIC]), window, row, column);
      if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR) Add({column[ID], code, NOT_TAKEN, -1, -1});
    }
    return row;
  }

 private:
  /* Handles for the time of one call: they must not outlive the client. */
  class Topics {
   public:
    Topics(rd_kafka_t* client, const std::vector<std::string>& names) : client_(client), names_(names), handles_(names.size()) {}
    ~Topics() {
      for (rd_kafka_topic_t* handle : handles_) {
        if (handle != nullptr) rd_kafka_topic_destroy(handle);
      }
    }
    Topics(const Topics&) = delete;
    Topics& operator=(const Topics&) = delete;

    rd_kafka_topic_t* At(int32_t index) {
      rd_kafka_topic_t*& handle = handles_[index];
      if (handle == nullptr) handle = rd_kafka_topic_new(client_, names_[index].c_str(), nullptr);
      return handle;
    }

   private:
    rd_kafka_t* const client_;
    const std::vector<std::string>& names_;
    std::vector<rd_kafka_topic_t*> handles_;
  };

  Outbox(Connection* connection, v8::Local<v8::Function> onReports) : connection_(connection), onReports_(onReports) {}

  static rd_kafka_resp_err_t EnqueueOne(rd_kafka_t* client, rd_kafka_topic_t* topic, const Window& window, size_t row,
                                        const int32_t* column) {
    if (topic == nullptr) return rd_kafka_last_error();
    const char* at = window.bytes + column[START];
    auto next = [&at](int32_t length) {
      const char* field = length < 0 ? nullptr : at;
      at += std::max(length, 0);
      return field;
    };
    size_t keySize = std::max(column[KEY], 0);
    size_t valueSize = std::max(column[VALUE], 0);
    const char* key = next(column[KEY]);
    char* value = const_cast<char*>(next(column[VALUE]));
    void* id = reinterpret_cast<void*>(static_cast<intptr_t>(column[ID]));
    double timestamp = window.timestamps[row];
    if (column[HEADERS] == 0 && timestamp == 0) {
      int failed = rd_kafka_produce(topic, column[PARTITION], RD_KAFKA_MSG_F_COPY, value, valueSize, key, keySize, id);
      return failed == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error();
    }
    rd_kafka_headers_t* headers = rd_kafka_headers_new(column[HEADERS]);
    const int32_t* lengths = window.headers + 2 * static_cast<size_t>(column[HEADER]);
    for (int32_t i = 0; i < column[HEADERS]; i += 1, lengths += 2) {
      const char* name = next(lengths[0]);
      const char* content = next(lengths[1]);
      rd_kafka_header_add(headers, name, lengths[0], content, std::max(lengths[1], 0));
    }
    rd_kafka_resp_err_t code = rd_kafka_producev(client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(column[PARTITION]),
                                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, valueSize),
                                                 RD_KAFKA_V_KEY(key, keySize), RD_KAFKA_V_TIMESTAMP(static_cast<int64_t>(timestamp)),
                                                 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(id), RD_KAFKA_V_END);
    // Those of a message that was taken are librdkafka's.
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
    return code;
  }

  void Add(const Report& report) {
    std::lock_guard<std::mutex> lock(mutex_);
    reports_.push_back(report);
    if (reports_.size() == 1 && wake_ != nullptr) uv_async_send(wake_);
  }

  static void OnReport(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (polling == nullptr) return;
    auto id = static_cast<int32_t>(reinterpret_cast<intptr_t>(message->_private));
    polling->polled_.push_back({id, message->err, message->partition, message->offset, rd_kafka_message_timestamp(message, nullptr)});
  }

  void Poll() {
    polling = this;
    while (!stopped_) {
      Held held(connection_);
      rd_kafka_t* client = held.client();
      if (client == nullptr) return;
      rd_kafka_poll(client, POLL_MS);
      if (!polled_.empty()) HandOn();
    }
  }

  /* A poll brings the reports of whole batches: they are handed on together. */
  void HandOn() {
    std::lock_guard<std::mutex> lock(mutex_);
    bool first = reports_.empty();
    if (first) reports_.swap(polled_);
    else reports_.insert(reports_.end(), polled_.begin(), polled_.end());
    polled_.clear();
    if (first && wake_ != nullptr) uv_async_send(wake_);
  }

  static NAN_METHOD(New) {
    if (!info.IsConstructCall() || info.Length() != 2 || !IsClient(info[0], "Producer") || !info[1]->IsFunction()) {
      return Nan::ThrowTypeError("kafka-rx: new Outbox(client, onReports), client one of node-rdkafka's producers");
    }
    auto* connection = Nan::ObjectWrap::Unwrap<Connection>(info[0].As<v8::Object>());
    if (connection->*Opened::client != nullptr) return Nan::ThrowError("kafka-rx: the client is connected already");
    NodeKafka::Conf* settings = connection->*Opened::settings;
    std::string error;
    if (settings->set("dr_cb", static_cast<RdKafka::DeliveryReportCb*>(nullptr), error) != RdKafka::Conf::CONF_OK) {
      return Nan::ThrowError(error.c_str());
    }
    rd_kafka_conf_set_dr_msg_cb(settings->c_ptr_global(), OnReport);
    auto* outbox = new Outbox(connection, info[1].As<v8::Function>());
    outbox->Wrap(info.This());
    outbox->Ref();
    Nan::SetPrivate(info.This(), Nan::New("client").ToLocalChecked(), info[0]);
    outbox->wake_ = new uv_async_t;
    outbox->wake_->data = outbox;
    uv_async_init(Nan::GetCurrentEventLoop(), outbox->wake_, [](uv_async_t* wake) { static_cast<Outbox*>(wake->data)->Tell(); });
    uv_unref(reinterpret_cast<uv_handle_t*>(outbox->wake_));
    node::AddEnvironmentCleanupHook(info.GetIsolate(), Detach, outbox);
    info.GetReturnValue().Set(info.This());
  }

  /* librdkafka's threads may outlive the event loop. */
  static void Detach(void* data) {
    auto* outbox = static_cast<Outbox*>(data);
    std::lock_guard<std::mutex> lock(outbox->mutex_);
    outbox->wake_ = nullptr;
  }

  void Tell() {
    Nan::HandleScope scope;
    onReports_.Call(0, nullptr, resource_.get());
  }

  static NAN_METHOD(Start) {
    auto* outbox = Nan::ObjectWrap::Unwrap<Outbox>(info.This());
    if (outbox->wake_ == nullptr || outbox->thread_.joinable()) return;
    outbox->thread_ = std::thread(&Outbox::Poll, outbox);
  }

  static NAN_METHOD(Stop) {
    auto* outbox = Nan::ObjectWrap::Unwrap<Outbox>(info.This());
    outbox->stopped_ = true;
    /* Nobody polls: to ask for the client would wait for one that is being destroyed, as after a connection that failed. */
    if (!outbox->thread_.joinable()) return;
    Held held(outbox->connection_);
    rd_kafka_t* client = held.client();
    if (client == nullptr) return;
    rd_kafka_queue_t* queue = rd_kafka_queue_get_main(client);
    rd_kafka_queue_yield(queue);
    rd_kafka_queue_destroy(queue);
  }

  static NAN_METHOD(Send);

  static NAN_METHOD(Take) {
    auto* outbox = Nan::ObjectWrap::Unwrap<Outbox>(info.This());
    Nan::TypedArrayContents<int32_t> integers(info[0]);
    Nan::TypedArrayContents<double> doubles(info[1]);
    size_t room = std::min(integers.length() / REPORT_INTEGERS, doubles.length() / REPORT_DOUBLES);
    if (outbox->taken_ == outbox->taking_.size()) {
      outbox->taken_ = 0;
      outbox->taking_.clear();
      std::lock_guard<std::mutex> lock(outbox->mutex_);
      outbox->taking_.swap(outbox->reports_);
    }
    size_t count = std::min(room, outbox->taking_.size() - outbox->taken_);
    for (size_t i = 0; i < count; i += 1) {
      const Report& report = outbox->taking_[outbox->taken_ + i];
      int32_t* integer = *integers + i * REPORT_INTEGERS;
      double* number = *doubles + i * REPORT_DOUBLES;
      integer[REPORT_ID] = report.id;
      integer[CODE] = report.code;
      integer[REPORT_PARTITION] = report.partition;
      number[OFFSET] = static_cast<double>(report.offset);
      number[TIMESTAMP] = static_cast<double>(report.timestamp);
    }
    outbox->taken_ += count;
    info.GetReturnValue().Set(static_cast<uint32_t>(count));
  }

  static NAN_METHOD(Close) {
    auto* outbox = Nan::ObjectWrap::Unwrap<Outbox>(info.This());
    uv_async_t* wake = outbox->wake_;
    if (wake == nullptr) return;
    outbox->stopped_ = true;
    if (outbox->thread_.joinable()) outbox->thread_.join();
    node::RemoveEnvironmentCleanupHook(info.GetIsolate(), Detach, outbox);
    Detach(outbox);
    uv_close(reinterpret_cast<uv_handle_t*>(wake), [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); });
    // Here, for nothing of V8's may be touched when this is collected.
    outbox->onReports_.Reset();
    outbox->resource_.reset();
    // That may be long after.
    {
      std::lock_guard<std::mutex> lock(outbox->mutex_);
      outbox->reports_ = {};
    }
    outbox->taking_ = {};
    outbox->taken_ = 0;
    outbox->polled_ = {};
    outbox->Unref();
  }

  Connection* const connection_;
  Nan::Callback onReports_;
  std::unique_ptr<Nan::AsyncResource> resource_ = std::make_unique<Nan::AsyncResource>("kafka-rx:reports");
  std::thread thread_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<Report> reports_;  // guarded
  std::vector<Report> polled_;   // the polling thread's
  uv_async_t* wake_ = nullptr;   // guarded
  std::vector<Report> taking_;   // the main thread's
  size_t taken_ = 0;
};

class Sending : public Nan::AsyncWorker {
 public:
  Sending(Nan::Callback* callback, Outbox* outbox, Window window)
      : Nan::AsyncWorker(callback, "kafka-rx:send"), outbox_(outbox), window_(std::move(window)) {}

  void Execute() override { next_ = outbox_->Enqueue(window_); }

  void HandleOKCallback() override {
    Nan::HandleScope scope;
    v8::Local<v8::Value> argv[] = {Nan::New(static_cast<uint32_t>(next_))};
    callback->Call(1, argv, async_resource);
  }

 private:
  Outbox* const outbox_;
  Window window_;
  size_t next_ = 0;
};

NAN_METHOD(Outbox::Send) {
  auto* outbox = Nan::ObjectWrap::Unwrap<Outbox>(info.This());
  auto names = info[0].As<v8::Array>();
  Window window;
  for (uint32_t i = 0; i < names->Length(); i += 1) window.topics.emplace_back(*Nan::Utf8String(Nan::Get(names, i).ToLocalChecked()));
  window.bytes = *Nan::TypedArrayContents<char>(info[1]);
  window.columns = *Nan::TypedArrayContents<int32_t>(info[2]);
  window.headers = *Nan::TypedArrayContents<int32_t>(info[3]);
  window.timestamps = *Nan::TypedArrayContents<double>(info[4]);
  window.first = Nan::To<uint32_t>(info[5]).FromJust();
  window.count = Nan::To<uint32_t>(info[6]).FromJust();
  if (!info[7]->IsFunction()) {
    info.GetReturnValue().Set(static_cast<uint32_t>(outbox->Enqueue(window)));
    return;
  }
  auto* sending = new Sending(new Nan::Callback(info[7].As<v8::Function>()), outbox, std::move(window));
  sending->SaveToPersistent("outbox", info.This());
  for (uint32_t i = 1; i <= 4; i += 1) sending->SaveToPersistent(i, info[i]);
  Nan::AsyncQueueWorker(sending);
}

NAN_METHOD(AcceptsProducer) { info.GetReturnValue().Set(IsClient(info[0], "Producer")); }

}  // namespace

void InitProducer(v8::Local<v8::Object> target) {
  Nan::SetMethod(target, "acceptsProducer", AcceptsProducer);
  Outbox::Init(target);
}

}  // namespace kafka_rx
