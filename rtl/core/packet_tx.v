// isochio: sends packets through UTMI: PID, payload, CRC16. Also holds the line in K for chirp and resume, in J or K for a test.
//
// start_i and its fields are one strobe; utmi_tx_valid_o rises one clock later. The payload byte on data_i is taken with next_o, and the
// byte after it must be on data_i one clock later. done_o is a strobe one clock after the last byte was accepted.
// A packet under way when enable_i falls is dropped without done_o.
`default_nettype none

module packet_tx (
    input  wire        clk_i,
    input  wire        rst_i,
    // Low: no packet is sent, one under way is dropped.
    input  wire        enable_i,
    // Strobe: send a packet with this PID (low nibble); with payload and CRC16 if it is a data PID.
    input  wire        start_i,
    input  wire [ 3:0] pid_i,
    input  wire [10:0] length_i,
    // Faults (docs/registers.md): bits that are sent wrong of the PID's check field, of the CRC16's second byte and of the first payload byte.
    input  wire [ 3:0] pid_mask_i,
    input  wire        crc_bad_i,
    input  wire [ 7:0] data_mask_i,
    input  wire [ 7:0] data_i,
    output wire        next_o,
    output wire        done_o,
    // While high the line is driven to K, or to J (op_mode must be 2).
    input  wire        drive_i,
    input  wire        drive_j_i,
    output wire [ 7:0] utmi_data_o,
    output wire        utmi_tx_valid_o,
    input  wire        utmi_tx_ready_i,
    // Done_o aside, the next clock changes nothing.
    output wire        quiet_o
);
  `include "core/crc.vh"

  localparam IDLE = 3'd0, PID = 3'd1, DATA = 3'd2, CRC_HIGH = 3'd3, LAST = 3'd4, DRIVE = 3'd5;

  reg [ 2:0] state_q;
  reg        valid_q, done_q, is_data_q;
  reg [ 7:0] data_q;
  reg [10:0] left_q;
  reg [15:0] crc_q;

  wire [7:0] payload = state_q == PID ? data_i ^ data_mask_i : data_i;

  // The payload byte on data_i goes out next.
  assign next_o = utmi_tx_ready_i && left_q != 11'd0 && (state_q == PID || state_q == DATA);

  always @(posedge clk_i) begin
    done_q <= 1'b0;
    if (start_i) begin
      state_q <= PID;
      valid_q <= 1'b1;
      data_q <= {~pid_i ^ pid_mask_i, pid_i};
      is_data_q <= pid_i[1:0] == 2'b11;
      left_q <= length_i;
      crc_q <= 16'hFFFF;
    end else if (utmi_tx_ready_i && valid_q) begin
      case (state_q)
        PID, DATA: begin
          if (state_q == PID && !is_data_q) begin
            state_q <= IDLE;
            valid_q <= 1'b0;
            done_q  <= 1'b1;
          end else if (left_q != 11'd0) begin
            state_q <= DATA;
            data_q <= payload;
            crc_q <= crc16_byte(crc_q, payload);
            left_q <= left_q - 11'd1;
          end else begin
            state_q <= CRC_HIGH;
            data_q  <= ~crc_q[7:0];
          end
        end
        CRC_HIGH: begin
          state_q <= LAST;
          data_q  <= ~crc_q[15:8] ^ {8{crc_bad_i}};
        end
        LAST: begin
          state_q <= IDLE;
          valid_q <= 1'b0;
          done_q  <= 1'b1;
        end
        default: ;
      endcase
    end
    if (drive_i != (state_q == DRIVE)) begin
      state_q <= drive_i ? DRIVE : IDLE;
      valid_q <= drive_i;
      data_q  <= drive_j_i ? 8'hFF : 8'd0;
    end
    if (!enable_i && state_q != IDLE && state_q != DRIVE) begin
      state_q <= IDLE;
      valid_q <= 1'b0;
    end
    if (rst_i) begin
      state_q <= IDLE;
      valid_q <= 1'b0;
      data_q  <= 8'd0;
      left_q  <= 11'd0;
    end
  end

  assign done_o = done_q;
  assign utmi_data_o = data_q;
  assign utmi_tx_valid_o = valid_q;
  assign quiet_o = drive_i == (state_q == DRIVE);
endmodule

`default_nettype wire
