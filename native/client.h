/*
 * What lies behind node-rdkafka's clients.
 *
 * The layout of `NodeKafka::Connection` is that of the version that this is compiled against; who loads the addon compares
 * `nodeRdkafkaVersion`. Members are reached as pointers to members: that takes none of node-rdkafka's symbols.
 */

#ifndef KAFKA_RX_CLIENT_H_
#define KAFKA_RX_CLIENT_H_

#include <nan.h>

#include <mutex>
#include <string_view>

#include "rdkafka.h"
#include "src/config.h"
#include "src/connection.h"

namespace kafka_rx {

using Connection = NodeKafka::Connection;

struct Opened : Connection {
  static constexpr RdKafka::Handle* Connection::* client = &Opened::m_client;
  static constexpr NodeKafka::Conf* Connection::* settings = &Opened::m_gconfig;
  static constexpr bool Connection::* closing = &Opened::m_is_closing;
  static constexpr uv_rwlock_t Connection::* lock = &Opened::m_connection_lock;
};

/* Keeps a client from being closed, as node-rdkafka's own calls do: a disconnect waits until this is gone. */
class Held {
 public:
  explicit Held(Connection* connection) : connection_(connection), isHeld_(true) { uv_rwlock_rdlock(&(connection->*Opened::lock)); }
  /* Only if that takes no waiting. */
  Held(Connection* connection, std::try_to_lock_t) : connection_(connection), isHeld_(uv_rwlock_tryrdlock(&(connection->*Opened::lock)) == 0) {}
  ~Held() {
    if (isHeld_) uv_rwlock_rdunlock(&(connection_->*Opened::lock));
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  /* None if it is not connected. */
  rd_kafka_t* client() const {
    if (!isHeld_) return nullptr;
    RdKafka::Handle* client = connection_->*Opened::client;
    return client == nullptr || connection_->*Opened::closing ? nullptr : client->c_ptr();
  }

 private:
  Connection* const connection_;
  const bool isHeld_;
};

/* Any other object would crash the process. That it is not of a relative of node-rdkafka, only JavaScript can tell. */
inline bool IsClient(v8::Local<v8::Value> value, std::string_view className) {
  if (!value->IsObject()) return false;
  auto object = value.As<v8::Object>();
  return object->InternalFieldCount() == 1 && *Nan::Utf8String(object->GetConstructorName()) == className;
}

void InitReader(v8::Local<v8::Object> target);
void InitProducer(v8::Local<v8::Object> target);

}  // namespace kafka_rx

#endif  // KAFKA_RX_CLIENT_H_
