// isochio: requests on their way: what lives from the submit to the completion.
#pragma once

#include <cstdint>
#include <vector>

#include "driverkit/usb_objects.h"

namespace isochio::driverkit {

/// Bytes of a descriptor as one piece: the memory itself if it is one piece, else a bounce buffer.
class TransferBytes {
 public:
  TransferBytes(IOMemoryDescriptor* memory, std::uint64_t length, bool device_writes);
  std::span<std::uint8_t> bytes() { return bytes_; }
  /// What the device wrote into a bounce buffer goes to its place.
  void flush(std::uint64_t offset, std::uint64_t length);

 private:
  OSSharedPtr<IOMemoryDescriptor> memory_;
  std::vector<std::uint8_t> bounce_;
  std::span<std::uint8_t> bytes_;
};

class PipeJob : public std::enable_shared_from_this<PipeJob> {
 public:
  PipeJob(IOUSBHostPipe* pipe, OSAction* action) : pipe_(pipe, OSRetain), action_(action, OSRetain) {}
  virtual ~PipeJob() = default;
  PipeJob(const PipeJob&) = delete;
  PipeJob& operator=(const PipeJob&) = delete;

  void set_abort_error(IOReturn error) {
    if (abort_error_ == kIOReturnSuccess) abort_error_ = error;
  }
  bool done() const { return done_; }
  IOReturn result() const { return result_; }

 protected:
  IOUSBHostPipe_IVars& pipe() { return IOUSBHostPipe_Access::ivars(*pipe_); }
  IOReturn abort_error() const { return abort_error_ != kIOReturnSuccess ? abort_error_ : kIOReturnAborted; }
  /// Marks a delivery as belonging to an aborted request of this pipe.
  const void* scope(bool aborted) { return aborted ? &pipe() : nullptr; }

  OSSharedPtr<IOUSBHostPipe> pipe_;
  OSSharedPtr<OSAction> action_;
  bool done_ = false;
  IOReturn result_ = kIOReturnInvalid;

 private:
  IOReturn abort_error_ = kIOReturnSuccess;
};

class IsochJob : public PipeJob, public controller::IsochClient {
 public:
  IsochJob(IOUSBHostPipe* pipe, OSAction* action, IOMemoryDescriptor* data, std::uint64_t data_length,
           IOMemoryDescriptor* list, std::span<const std::uint32_t> request_counts, std::uint64_t first_frame);
  controller::IsochRequest& request() { return request_; }
  /// The request was accepted: every entry's status becomes kIOReturnInvalid.
  void preset();

  void on_entry(controller::IsochRequest& request, std::size_t index) override;
  void on_complete(controller::IsochRequest& request, controller::Status overall) override;

 private:
  void write_entry(std::size_t index, IOReturn status);
  IOReturn overall(controller::Status host_status) const;

  OSSharedPtr<IOMemoryDescriptor> list_;
  TransferBytes bytes_;
  controller::IsochRequest request_;
  std::vector<std::uint64_t> offsets_;
  std::vector<IOReturn> ended_;  ///< kIOReturnInvalid: not yet
};

class BulkJob : public PipeJob {
 public:
  BulkJob(IOUSBHostPipe* pipe, OSAction* action, IOMemoryDescriptor* data, std::uint32_t length,
          std::uint32_t timeout_ms);
  controller::BulkRequest& request() { return request_; }

 private:
  void complete();

  TransferBytes bytes_;
  controller::BulkRequest request_;
};

}  // namespace isochio::driverkit
