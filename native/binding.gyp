{
  "targets": [
    {
      "target_name": "kafka_rx",
      "sources": ["addon.cc", "producer.cc", "reader.cc"],
      "include_dirs": [
        "<(nan)",
        "<(rdkafka)",
        "<(rdkafka)/deps/librdkafka/src",
        "<(rdkafka)/deps/librdkafka/src-cpp"
      ],
      "defines": ["NODE_RDKAFKA_VERSION=\"<(rdkafka_version)\"", "SOURCE_HASH=\"<(source_hash)\""],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"],
      # By its full name: the copy that node-rdkafka has loaded is found again, and no other.
      "libraries": ["<(rdkafka)/build/deps/librdkafka.so.1", "-Wl,-rpath,<(rdkafka)/build/deps"]
    }
  ]
}
