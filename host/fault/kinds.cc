#include "fault/kinds.h"

#include <array>

namespace isochio::fault {
namespace {

using P = PacketSet;

constexpr std::array<KindInfo, kind_count> kinds{{
    {"bit_error", Sender::either, P::any, 0, "place bit "},
    {"wrong_pid", Sender::either, P::any, P::data, "pid* "},
    {"wrong_data_pid", Sender::either, P::data, P::data, "pid "},
    {"truncated", Sender::either, P::sof | P::token | P::data, P::data, "bytes "},
    {"oversized", Sender::either, P::sof | P::token | P::data, P::data, "bytes "},
    {"babble", Sender::either, P::data | P::handshake, P::data, "bytes "},
    {"missing_eop", Sender::either, P::any, P::data, ""},
    {"stuffing_error", Sender::either, P::any, P::data, "byte "},
    {"lost", Sender::host, P::any, P::token, ""},
    {"no_answer", Sender::device, P::data | P::handshake, P::data | P::handshake, ""},
    {"late_answer", Sender::device_unless_said, P::data | P::handshake, P::data | P::handshake, "bits* "},
    {"other_address", Sender::host, P::token, P::token, "address* "},
    {"spurious_handshake", Sender::either, P::data, P::data, "pid "},
    {"repeated_token", Sender::host, P::token, P::token, ""},
    {"sof_lost", Sender::host, P::sof, P::sof, ""},
    {"sof_repeated", Sender::host, P::sof, P::sof, ""},
    {"sof_early", Sender::host, P::sof, P::sof, "bits* "},
    {"sof_late", Sender::host, P::sof, P::sof, "bits* "},
    {"sof_jitter", Sender::host, P::sof, P::sof, "bits* "},
    {"sof_number", Sender::host, P::sof, P::sof, "number delta "},
    {"frame_jump", Sender::host, P::sof, P::sof, "number delta "},
    {"device_clock", Sender::device, 0, 0, "ppm* to_ppm "},
    {"bus_clock", Sender::host, 0, 0, "ppm* "},
}};

}  // namespace

const KindInfo& kind_info(Kind kind) { return kinds[static_cast<std::size_t>(kind)]; }

}  // namespace isochio::fault
