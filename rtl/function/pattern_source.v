// isochio: makes the bytes of IN data packets: the pattern of docs/payload.md, zeros, mod63, a feedback value; passes loopback bytes on.
//
// One source for all engines; only the sequence is kept per engine, because one transaction is on the bus at a time.
// data_o is valid 1 clock after start_i and after each next_i (loopback: as loop_data_i). Bytes beyond the packet's length are of no meaning.
// The PRBS seed needs sequence * 0x9E3779B1: four bits of it are worked in with each of the eight header bytes.
`default_nettype none

module pattern_source #(
    // log2 of the engines there is state for, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   restart_i,         // the sequence of restart_engine_i starts from 0
    input  wire [ENGINE_BITS-1:0] restart_engine_i,
    input  wire [ENGINE_BITS-1:0] engine_i,
    input  wire [            3:0] function_i,        // FUNCTION register of engine_i
    // (Waiver: the PRBS state has 31 bits, and its lowest starts as 1.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [           31:0] seed_i,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [           13:0] frame_i,
    input  wire [           31:0] feedback_i,        // as it goes on the wire, first byte in 7..0
    input  wire                   start_i,
    input  wire [           10:0] length_i,
    input  wire                   next_i,
    input  wire                   done_i,
    input  wire                   ok_i,
    input  wire [            7:0] loop_data_i,
    output wire [            7:0] data_o
);
  localparam [3:0] PATTERN = 4'd1, MOD63 = 4'd3, LOOPBACK = 4'd4, FEEDBACK = 4'd5;
  localparam [30:0] GOLDEN = 31'h1E3779B1;  // 0x9E3779B1 modulo 2^31

  reg [31:0] sequence_q[0:(1<<ENGINE_BITS)-1];
  reg [3:0] function_q;
  reg filled_q;        // the packet is not of zero length
  reg short_q;         // below 12 bytes: no CRC32
  reg [7:0] data_q;
  reg [10:0] left_q;   // bytes to go, data_q included
  reg [2:0] index_q;   // of data_q, in the header
  reg in_header_q;
  reg [55:0] header_q; // the header bytes after data_q
  reg [27:0] digits_q; // hex digits of the sequence, not multiplied yet
  reg [30:0] product_q;
  reg [30:0] state_q;
  reg [31:0] crc_q;
  reg [23:0] tail_q;

  // A digit times the constant, modulo 2^31: more the PRBS state does not hold.
  function [30:0] times_golden(input [3:0] digit);
    times_golden = ({31{digit[0]}} & GOLDEN) + ({31{digit[1]}} & (GOLDEN << 1)) +
                   ({31{digit[2]}} & (GOLDEN << 2)) + ({31{digit[3]}} & (GOLDEN << 3));
  endfunction

  `include "function/crc32.vh"

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver.
  // verilator lint_off BLKSEQ
  reg last;
  reg [55:0] header;
  reg [23:0] tail;
  reg [7:0] data;
  reg [10:0] left;
  reg [31:0] digits;
  reg [31:0] crc;
  reg [30:0] state;
  reg [7:0] body;

  // (In the order of the text, registers are read before they are written: the simulator then needs no copies.)
  always @(posedge clk_i) begin
    if (next_i) begin
      header = header_q;
      tail   = tail_q;
      data   = data_q;
      if (function_q == PATTERN) begin
        last   = index_q == 3'd7;
        left   = left_q - 11'd1;
        crc    = crc32_byte(crc_q, data);
        state  = in_header_q ? {seed_i[30:1] ^ product_q[30:1], 1'b1} : state_q;
        body   = state[30:23] ^ state[27:20];
        if (in_header_q && !last) begin
          data_q    <= header[7:0];
          header_q  <= {8'd0, header[55:8]};
          product_q <= {product_q[26:0], 4'd0} + times_golden(digits_q[27:24]);
          digits_q  <= {digits_q[23:0], 4'd0};
          index_q   <= index_q + 3'd1;
        end else begin
          in_header_q <= 1'b0;
          if (short_q) begin
            data_q <= 8'd0;
          end else if (left[10:2] != 9'd0 && left != 11'd4) begin
            data_q  <= body;
            state_q <= {state[22:0], body};
          end else if (left == 11'd4) begin
            data_q <= ~crc[7:0];
            tail_q <= ~crc[31:8];
          end else begin
            data_q <= tail[7:0];
            tail_q <= {8'd0, tail[23:8]};
          end
        end
        crc_q  <= crc;
        left_q <= left;
      end else if (function_q == MOD63) begin
        data_q <= data == 8'd62 ? 8'd0 : data + 8'd1;
      end else if (function_q == FEEDBACK) begin
        data_q   <= header[7:0];
        header_q <= {8'd0, header[55:8]};
      end
    end
    if (start_i) begin
      digits      = sequence_q[engine_i];
      function_q  <= function_i;
      filled_q    <= length_i != 11'd0;
      short_q     <= length_i < 11'd12;
      left_q      <= length_i;
      index_q     <= 3'd0;
      in_header_q <= 1'b1;
      crc_q       <= 32'hFFFFFFFF;
      product_q   <= times_golden(digits[31:28]);
      digits_q    <= digits[27:0];
      if (function_i == PATTERN) begin
        data_q   <= digits[7:0];
        header_q <= {5'd0, length_i, 2'b00, frame_i, digits[31:8]};
      end else if (function_i == FEEDBACK) begin
        data_q   <= feedback_i[7:0];
        header_q <= {32'd0, feedback_i[31:8]};
      end else begin
        data_q <= 8'd0;
      end
    end
    // A packet that was not taken (bulk) is sent again under the same number.
    if (restart_i || (done_i && ok_i && filled_q && function_q == PATTERN))
      sequence_q[restart_i ? restart_engine_i : engine_i] <= restart_i ? 32'd0 : sequence_q[engine_i] + 32'd1;
  end

  assign data_o = function_q == LOOPBACK ? loop_data_i : data_q;
endmodule

`default_nettype wire
