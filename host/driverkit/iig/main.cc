// isochio: isochio-iig, the translator of .iig files:
//   isochio-iig --def X.iig --header X.h --impl X.iig.cpp [--framework-name F] [-- compiler arguments, ignored]
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "iig_file.h"

namespace {

int usage(const std::string& problem) {
  std::fprintf(stderr,
               "isochio-iig: %s\nusage: isochio-iig --def X.iig --header X.h --impl X.iig.cpp [--framework-name F] "
               "[-- compiler arguments, ignored]\n",
               problem.c_str());
  return 2;
}

bool write(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) std::fprintf(stderr, "isochio-iig: can't write %s\n", path.c_str());
  return static_cast<bool>(out);
}

}  // namespace

int main(int argc, char** argv) {
  std::string definition, header, implementation, framework;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--") break;
    std::string* value = option == "--def"              ? &definition
                         : option == "--header"         ? &header
                         : option == "--impl"           ? &implementation
                         : option == "--framework-name" ? &framework
                                                        : nullptr;
    if (value == nullptr) return usage("unknown option " + option);
    if (++i == argc) return usage(option + " wants a value");
    *value = argv[i];
  }
  if (definition.empty() || header.empty() || implementation.empty())
    return usage("--def, --header and --impl are needed");
  std::ifstream in(definition, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "isochio-iig: can't read %s\n", definition.c_str());
    return 2;
  }
  std::stringstream text;
  text << in.rdbuf();
  const auto file = isochio::iig::parse(definition, text.str());
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().to_string().c_str());
    return 2;
  }
  const std::string header_name = std::filesystem::path(header).filename().string();
  const bool written = write(header, isochio::iig::write_header(*file)) &&
                       write(implementation, isochio::iig::write_implementation(*file, header_name));
  return written ? 0 : 2;
}
