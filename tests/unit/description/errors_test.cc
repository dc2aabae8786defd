// isochio: what a description file that is wrong is told.
#include <doctest/doctest.h>

#include "shipped.h"

using namespace isochio;
using namespace isochio::description;

namespace {

const std::string head = "[device]\nvendor_id = 1\nproduct_id = 1\n";  // 3 lines

void refused(const std::string& text, int line, const std::string& key, const std::string& words) {
  CAPTURE(text);
  const auto d = parse(text, "dev.toml");
  REQUIRE_FALSE(d);
  INFO(d.error().to_string());
  CHECK(d.error().file == "dev.toml");
  CHECK(d.error().line == line);
  CHECK(d.error().key == key);
  CHECK(d.error().message.find(words) != std::string::npos);
}

/// Interface 0 with alternate 1 that has these endpoints; the endpoint list is line 7.
std::string with(const std::string& endpoints) {
  return head + "[[interface]]\n[[interface]]\nalternate = 1\nendpoint = [" + endpoints + "]\n";
}

}  // namespace

TEST_CASE("an unknown key is an error that suggests the nearest one") {
  refused(head + "vendor_idd = 2\n[[interface]]\n", 4, "device.vendor_idd", "\"vendor_id\"");
  refused(head + "[[interfaces]]\n", 4, "interfaces", "\"interface\"");
  refused(with("{ address = \"IN 1\", type = \"bulk\", functoin = \"none\" }"), 7, "interface[1].endpoint[0].functoin",
          "\"function\"");
  refused(with("{ address = \"IN 1\", type = \"isochronus\", fs = 1, hs = 1 }"), 7, "interface[1].endpoint[0].type",
          "\"isochronous\"");
}

TEST_CASE("a packet size that is not legal for the speed and type is refused with what is") {
  const std::string key = "interface[1].endpoint[0].";
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 1024, hs = 1 }"), 7, key + "fs", "at most 1023");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = \"2x600\", hs = 1 }"), 7, key + "fs", "high-speed");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 1, hs = \"3x600\" }"), 7, key + "hs", "683 to 1024");
  refused(with("{ address = \"IN 1\", type = \"bulk\", hs = 256 }"), 7, key + "hs", "512");
  refused(with("{ address = \"IN 1\", type = \"interrupt\", fs = 65, hs = 64 }"), 7, key + "fs", "at most 64");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 1, hs = \"4x1024\" }"), 7, key + "hs", "0 to 1024");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 1 }"), 7, key + "hs", "hs = false");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 1, hs = 1, interval = 17 }"), 7, key + "fs.interval",
          "1 to 16");
  refused(with("{ address = \"IN 1\", type = \"isochronous\", fs = 8, hs = { max_packet = 8, size = 9 } }"), 7,
          key + "hs.size", "carries 8");
}

TEST_CASE("alternate setting 0 with isochronous bandwidth is refused") {
  refused(head + "[[interface]]\nendpoint = [{ address = \"IN 1\", type = \"isochronous\", fs = 8, hs = 8 }]\n", 5,
          "interface[0].endpoint[0].fs", "alternate 1");
}

TEST_CASE("endpoints that can be open at once share neither address nor engine") {
  const std::string iso = "type = \"isochronous\", fs = 1, hs = 1";
  refused(with("{ address = \"IN 1\", " + iso + " }, { address = 0x81, " + iso + " }"), 7,
          "interface[1].endpoint[1].address", "already");
  refused(with("{ address = \"IN 1\", engine = 2, " + iso + " }, { address = \"IN 2\", engine = 2, " + iso + " }"), 7,
          "interface[1].endpoint[1].engine", "engine 2");
  refused(with("{ address = \"IN 1\", engine = 6, " + iso + " }"), 7, "interface[1].endpoint[0].engine", "0 to 5");
  std::string seven;
  for (int i = 1; i <= 7; ++i) seven += "{ address = \"IN " + std::to_string(i) + "\", " + iso + " },";
  refused(with(seven), 7, "interface[1].endpoint[6]", "more than 6 IN");
  // In other alternate settings of the same interface both are free again.
  const auto d =
      parse(with("{ address = \"IN 1\", engine = 2, " + iso + " }") +
                "[[interface]]\nalternate = 2\nendpoint = [{ address = \"IN 1\", engine = 2, " + iso + " }]\n",
            "x");
  CHECK(d);
}

TEST_CASE("a loopback pair shares its engine number, even if others came first") {
  const auto d = parse(head + R"(
[[interface]]
endpoint = [{ address = "IN 1", type = "bulk", function = "pattern" }, { address = "IN 2", type = "interrupt", fs = 8, hs = 8 }]
[[interface]]
endpoint = [{ address = "OUT 3", type = "bulk" }, { address = "IN 4", type = "bulk" }]
)",
                       "x");
  REQUIRE_MESSAGE(d, d.error().to_string());
  const auto& pair = d->settings[1].endpoints;
  CHECK(pair[0].function == Function::loopback);
  CHECK(pair[1].function == Function::loopback);
  CHECK(pair[0].engine == pair[1].engine);
  CHECK(pair[1].engine == 2);
}

TEST_CASE("interfaces and alternate settings are numbered without gaps and once each") {
  refused(head + "[[interface]]\n[[interface]]\nalternate = 2\n", 6, "interface[1].alternate", "without gaps");
  refused(head + "[[interface]]\n[[interface]]\nalternate = 0\n", 5, "interface[1]", "twice");
  refused(head + "[[interface]]\nnumber = 8\n", 5, "interface[0].number", "0 to 7");
  refused(head, 0, "interface", "[[interface]]");
}

TEST_CASE("a request has to be one that its action can serve") {
  const std::string body = head + "[[interface]]\n[[request]]\nrequest = 9\n";
  refused(body + "type = \"out vendor device\"\naction = \"answer\"\nbytes = \"00\"\n", 8, "request[0].action", "IN");
  refused(body + "type = \"in vendor device\"\naction = \"answer\"\ndata = \"nope\"\n", 9, "request[0].data", "[data]");
  refused(body + "type = \"in vendor device\"\naction = \"answer\"\nbytes = \"0\"\n", 9, "request[0].bytes", "pairs");
  refused(body + "type = \"vendor in\"\naction = \"stall\"\n", 7, "request[0].type", "no request type");
  refused(head + "[[interface]]\n[[request]]\nrequest = 1\ntype = \"in vendor device\"\naction = \"stall\"\n", 6,
          "request[0].request", "test_requests");
}

TEST_CASE("strings, class descriptors and numbers are checked") {
  refused(head + "manufacturer = 4\n[[interface]]\n", 4, "device.manufacturer", "[strings]");
  refused(head + "class = \"wobble\"\n[[interface]]\n", 4, "device.class", "number");
  refused(head + "version = 70000\n[[interface]]\n", 4, "device.version", "65535");
  refused(head + "sample_rate = 44101\n[[interface]]\n", 4, "device.sample_rate", "11025");
  refused(head + "[configuration]\nmax_power_ma = 501\n[[interface]]\n", 5, "configuration.max_power_ma", "even");
  refused(head + "[[interface]]\ndescriptors = [\"04 24 01\"]\n", 5, "interface[0].descriptors[0]", "bLength");
  refused(head + "[[interface]]\ndescriptors = [\"07 05 81 01 08 00 01\"]\n", 5, "interface[0].descriptors[0]",
          "type 5");
  refused(head + "high_speed = 1\n[[interface]]\n", 4, "device.high_speed", "true or false");
  refused("[device]\nproduct_id = 1\n[[interface]]\n", 1, "device.vendor_id", "0x1209");
}

TEST_CASE("text that is not TOML is refused with its line") {
  const auto d = parse("[device]\nvendor_id = = 1\n", "dev.toml");
  REQUIRE_FALSE(d);
  CHECK(d.error().line == 2);
  const auto missing = load("/nowhere/at/all.toml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().to_string().find("/nowhere/at/all.toml: can't be read") == 0);
}

TEST_CASE("a dump that is cut off or has no such configuration is refused") {
  const auto d = load(description::testing::shipped("test.toml"));
  REQUIRE(d);
  Bytes dump = description::testing::dump(*d, usb::Speed::high);
  const auto none = import_descriptors(dump, "dump", {.configuration = 2});
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("no configuration 2") != std::string::npos);
  dump.pop_back();
  const auto cut = import_descriptors(dump, "dump");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().message.find("cut off") != std::string::npos);
  CHECK_FALSE(import_descriptors({}, "dump"));
}

TEST_CASE("of several configurations the first or the asked-for one is taken, and the import says so") {
  auto d = load(description::testing::shipped("test.toml"));
  REQUIRE(d);
  Bytes dump = description::testing::dump(*d, usb::Speed::high);
  d->configuration_value = 7;
  d->max_power_ma = 200;
  const Bytes second = configuration_descriptor(*d, usb::Speed::high);
  dump.insert(dump.end(), second.begin(), second.end());
  const auto first = import_descriptors(dump, "dump");
  REQUIRE_MESSAGE(first, first.error().to_string());
  CHECK(first->configuration_value == 1);
  CHECK(to_toml(*first).find("# the dump has the configurations 1, 7; this is 1\n") != std::string::npos);
  const auto other = import_descriptors(dump, "dump", {.configuration = 7});
  REQUIRE(other);
  CHECK(configuration_descriptor(*other, usb::Speed::high) == second);
}
