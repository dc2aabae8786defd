// isochio: receives packets from UTMI and judges them.
//
// The inputs come from utmi_inputs. A packet is everything while in_active_i is high; end_o comes with its fall,
// and all fields stay valid until the next start_o. Nothing that arrives stops this module: a packet ends when rx_active
// falls. Payload bytes leave two bytes late, so that the CRC16 never shows up on byte_o; the last one may coincide with end_o.
// Lengths saturate at 4095.
`default_nettype none

module packet_rx (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire [ 7:0] in_data_i,
    input  wire        in_valid_i,
    input  wire        in_active_i,
    input  wire        in_error_i,
    // Strobe: rx_active rose.
    output wire        start_o,
    // Strobe: the packet is over.
    output wire        end_o,
    // Strobe: pid_o is new.
    output wire        pid_valid_o,
    output wire [ 7:0] pid_o,
    output wire        pid_good_o,
    // The 11 bits after the PID; good if there were exactly two bytes and the CRC5 fits.
    output wire [10:0] token_o,
    output wire        crc5_good_o,
    // Bytes of the packet with PID and CRC.
    output wire [11:0] length_o,
    output wire        crc16_good_o,
    // RxError was seen.
    output wire        error_o,
    // Payload of a data packet: strobe and byte.
    output wire        byte_valid_o,
    output wire [ 7:0] byte_o,
    // No strobe is under way.
    output wire        quiet_o
);
  `include "core/crc.vh"

  reg active_q, pid_valid_q, byte_valid_q, error_q, crc5_good_q;
  reg [ 7:0] pid_q, last_q, before_q, byte_q;
  reg [11:0] length_q;
  reg [15:0] crc16_q;

  // Bytes and packet boundaries. A byte can't come in the clock of start_o's evaluation before length_q is cleared: both
  // happen here, the byte last. Nothing changes between packets.
  always @(posedge clk_i) begin
    if (in_active_i || active_q) begin
      active_q <= in_active_i;
      pid_valid_q <= 1'b0;
      byte_valid_q <= 1'b0;
      if (start_o) begin
        length_q <= 12'd0;
        error_q <= 1'b0;
        crc5_good_q <= 1'b0;
        crc16_q <= 16'hFFFF;
      end
      if (in_error_i) error_q <= 1'b1;
      if (in_valid_i) begin
        if (start_o || length_q == 12'd0) begin
          pid_q <= in_data_i;
          pid_valid_q <= 1'b1;
          length_q <= 12'd1;
        end else begin
          if (length_q != 12'hFFF) length_q <= length_q + 12'd1;
          last_q   <= in_data_i;
          before_q <= last_q;
          if (pid_q[1:0] == 2'b11) begin
            crc16_q <= crc16_byte(crc16_q, in_data_i);
            byte_q <= before_q;
            byte_valid_q <= length_q[11:2] != 10'd0 || length_q[1:0] == 2'd3;
          end else if (length_q == 12'd2) begin
            crc5_good_q <= crc5_token({in_data_i, last_q}) == 5'b00110;
          end
        end
      end
    end
    if (rst_i) begin
      active_q <= 1'b0;
      pid_valid_q <= 1'b0;
      byte_valid_q <= 1'b0;
      length_q <= 12'd0;
    end
  end

  assign start_o = in_active_i && !active_q;
  assign end_o = !in_active_i && active_q;
  assign pid_valid_o = pid_valid_q;
  assign pid_o = pid_q;
  assign pid_good_o = pid_q[3:0] == ~pid_q[7:4];
  assign token_o = {last_q[2:0], before_q};
  assign crc5_good_o = crc5_good_q && length_q == 12'd3;
  assign length_o = length_q;
  assign crc16_good_o = crc16_q == 16'hB001;
  assign error_o = error_q;
  assign byte_valid_o = byte_valid_q;
  assign byte_o = byte_q;
  assign quiet_o = !pid_valid_q && !byte_valid_q;
endmodule

`default_nettype wire
