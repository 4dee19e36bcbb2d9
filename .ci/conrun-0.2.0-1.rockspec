-- conrun as a rock: `make dist`, then `luarocks make .ci/conrun-0.2.0-1.rockspec` in its
-- folder.  The rock is the program; it loads no module into another Lua.
rockspec_format = "3.0"
package = "conrun"
version = "0.2.0-1"
source = { url = "file://conrun-0.2.0.tar.gz", dir = "conrun-0.2.0" }
description = {
  summary = "Lua 5.4 that runs concurrently: threads and processes with one toolbox",
  detailed = "Pools, futures, locks, queues and shared data that are the same objects for threads and processes.",
  license = "MIT",
  labels = { "concurrency", "threads", "multiprocessing", "pool" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "make",
  build_target = "all",
  install_target = "install",
  build_variables = { CC = "$(CC)", CFLAGS = "$(CFLAGS)" },
  install_variables = { PREFIX = "$(PREFIX)", BINDIR = "$(BINDIR)" },
}
