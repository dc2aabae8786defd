#!/usr/bin/env bash
# Makes the QEMU guest of the interoperability tests from Debian's packages: a kernel as it is shipped, and a small initramfs with the
# modules and programs that the tests use. Idempotent: does nothing when OUT/initramfs is newer than this folder.
#   make_guest.sh OUT
# leaves OUT/vmlinuz and OUT/initramfs. Needs: apt-get, dpkg-deb, cpio, kmod, busybox-static, usbip, alsa-utils, gzip.
set -euo pipefail
out=${1:?usage: make_guest.sh OUT}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -e "$out/initramfs" ] && [ -z "$(find "$here" -name '[!_]*' -type f ! -name '*.py' -newer "$out/initramfs")" ]; then
  echo "guest: up to date in $out"
  exit 0
fi

modules="vhci-hcd usbtest snd-usb-audio usbmon xhci-pci ehci-pci uhci-hcd ohci-pci uvcvideo virtio_pci virtio_net 9p 9pnet_virtio virtio_console"
programs="usbip usbipd aplay arecord amixer"

kernel_package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
[ -n "$kernel_package" ] || { echo "guest: no linux-image-amd64 in the package lists; run 'apt-get update'" >&2; exit 3; }
if ! ls "$out/$kernel_package"_*.deb >/dev/null 2>&1; then
  echo "guest: downloading $kernel_package"
  (cd "$out" && apt-get download "$kernel_package" 2>/dev/null)
fi
tree=$out/kernel root=$out/root
rm -rf "$tree" "$root"
mkdir -p "$tree" "$root"/{bin,sbin,proc,sys,dev,tmp,host,etc,lib,usr/share}
dpkg-deb -x "$out/$kernel_package"_*.deb "$tree"
version=$(basename "$tree"/lib/modules/*)
depmod -b "$tree" "$version"
cp "$tree/boot/vmlinuz-$version" "$out/vmlinuz"

echo "guest: kernel $version, initramfs"
for module in $modules; do
  modprobe -d "$tree" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" {print $2}' | sort -u | while read -r file; do
  relative=${file#"$tree"/}
  install -D "$file" "$root/$relative"
done
cp "$tree/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$version/"
depmod -b "$root" "$version"

# A program and the shared libraries that it names, at the same paths as on this machine.
copy_program() {
  local path
  path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$1") || { echo "guest: program '$1' is not installed" >&2; exit 3; }
  install -D "$path" "$root/bin/$1"
  ldd "$path" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    install -D "$library" "$root$library"
  done
}
install -m 755 /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
  [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
for program in $programs; do copy_program "$program"; done
mkdir -p "$root/usr/share/misc" && : > "$root/usr/share/misc/usb.ids"  # usbip asks for it
[ -d /usr/share/alsa ] && cp -r /usr/share/alsa "$root/usr/share/"
install -m 755 "$here/init" "$root/init"
install -m 755 "$here/diagnose" "$root/bin/diagnose"

(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -1) > "$out/initramfs.new"
mv "$out/initramfs.new" "$out/initramfs"
rm -rf "$tree" "$root"
ls -l "$out/vmlinuz" "$out/initramfs"
