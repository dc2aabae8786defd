# isochio: what the scripts share: messages, and the Debian packages that are needed. Source it; it runs nothing.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
jobs=$(nproc)

# Packages by what they are for; a script asks for the groups it needs.
packages_build=(cmake ninja-build g++ ccache verilator zlib1g-dev libfmt-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev
                libusb-1.0-0-dev libjs-dygraphs libexpected-dev libusbredirparser-dev doctest-dev librapidcheck-dev libbenchmark-dev)
packages_demo=(espeak-ng)
packages_guest=(python3 qemu-system-x86 busybox-static cpio kmod usbip alsa-utils)
packages_test=(tshark gtkwave yosys python3-jsonschema clang-format clang-tidy clang libclang-rt-14-dev
               chromium chromium-driver python3-selenium "${packages_guest[@]}")

step() { printf '\n== %s\n' "$*"; }

# As root directly, else by sudo.
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# install_packages NAME...: installs what is missing, without questions; does nothing if all is there.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  step "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
         as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log"
    echo "apt-get could not install: ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}

# build [TARGET...]: configures and builds the release preset in build/.
build() {
  step "building in build/ ($jobs jobs)"
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake --preset release -S "$root" "${launcher[@]}" >"$root/.configure.log" 2>&1 || { cat "$root/.configure.log"; return 1; }
  mv "$root/.configure.log" "$root/build/configure.log"
  cmake --build "$root/build" -j "$jobs" ${1:+--target "$@"}
}
