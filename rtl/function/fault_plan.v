// isochio: the FAULT registers of each engine (docs/registers.md), and whether the packet that is sent next is to be spoiled.
//
// fetch_i looks up the engine of the current transaction; kind_o and argument_o are valid 2 clocks later and stay till the next. taken_i says
// that the packet is sent now, spoiled or not: it counts for FAULT_EVERY. shown_o is valid 1 clock after re_i.
// After reset the registers are cleared one a clock (64 clocks, busy_o).
`default_nettype none

module fault_plan (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire [13:0] frame_i,     // 13..3 frame number, 2..0 microframe
    // Registers.
    input  wire [ 9:0] addr_i,
    input  wire [31:0] wdata_i,
    input  wire        we_i,
    input  wire        re_i,
    output reg  [15:0] shown_o,
    // The current transaction.
    input  wire        fetch_i,
    input  wire        in_i,
    input  wire [ 2:0] engine_i,
    input  wire        taken_i,
    output reg  [ 3:0] kind_o,      // 0: as it should be
    output reg  [11:0] argument_o,
    output wire        busy_o
);
  localparam [1:0] FAULT = 2'd0, ARGUMENT = 2'd1, EVERY = 2'd2, FRAME = 2'd3;

  // Rows are {IN, engine}. shown_q has all registers once more, to be read without disturbing a transaction.
  (* ram_style = "block" *) reg [ 3:0] kind_q[0:15];
  reg [11:0] argument_q[0:15];
  reg [15:0] every_q[0:15];
  reg [14:0] frame_q[0:15];     // 14 enabled, 13..0 frame_i
  reg [15:0] position_q[0:15];  // packets since the last one that FAULT_EVERY spoiled
  reg [15:0] shown_q[0:63];

  // The row of the current transaction.
  reg fetched_q;
  reg [3:0] row_q, row_kind_q;
  reg [15:0] row_every_q, row_position_q;
  reg [14:0] row_frame_q;
  reg nth_q;
  // The packet has begun, and position_q is to say so.
  reg counted_q;

  // Writes: the bus, or the walk after reset.
  reg [6:0] walk_q;  // bit 6: over
  wire walking = !walk_q[6];
  wire here = addr_i[4:2] == 3'b110 && (addr_i[9:8] == 2'd1 || addr_i[9:8] == 2'd2);

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver. So are the memories, which are read before they are
  // written and nowhere else: the simulator then needs no copies, and nothing is done at a clock with nothing to do.
  // verilator lint_off BLKSEQ
  reg write, restart;
  reg [5:0] at;
  reg [3:0] row;
  reg [15:0] value, position, counted;

  always @(posedge clk_i) begin
    if (walking || we_i || re_i || fetch_i || fetched_q || taken_i || counted_q || rst_i) begin
      // ---- the bus reads
      at = {addr_i[8], addr_i[7:5], addr_i[1:0]};
      if (re_i) shown_o <= shown_q[at];

      // ---- the transaction: its row, then the decision
      row      = {in_i, engine_i};
      position = row_position_q + 16'd1;
      counted  = nth_q ? 16'd0 : position;
      if (fetched_q) begin
        nth_q  <= row_every_q != 16'd0 && position >= row_every_q;
        kind_o <= (row_every_q != 16'd0 && position >= row_every_q) || (row_frame_q[14] && row_frame_q[13:0] == frame_i) ? row_kind_q : 4'd0;
      end
      if (fetch_i) begin
        row_kind_q     <= kind_q[row];
        argument_o     <= argument_q[row];
        row_every_q    <= every_q[row];
        row_frame_q    <= frame_q[row];
        row_position_q <= position_q[row];
      end
      fetched_q <= fetch_i;

      // ---- writes; one of FAULT_EVERY begins to count anew, and goes first
      value = |wdata_i[31:16] ? 16'hFFFF : wdata_i[15:0];
      if (at[1:0] == FAULT) value = |wdata_i[31:4] ? 16'd15 : wdata_i[15:0];
      if (at[1:0] == ARGUMENT) value = |wdata_i[31:12] ? 16'd4095 : wdata_i[15:0];
      if (walking) begin
        at     = walk_q[5:0];
        value  = 16'd0;
        walk_q <= walk_q + 7'd1;
      end
      write   = walking || (we_i && here);
      restart = write && at[1:0] == EVERY;
      if (write) begin
        shown_q[at] = value;
        if (at[1:0] == FAULT) kind_q[at[5:2]] = value[3:0];
        if (at[1:0] == ARGUMENT) argument_q[at[5:2]] = value[11:0];
        if (at[1:0] == EVERY) every_q[at[5:2]] = value;
        if (at[1:0] == FRAME) frame_q[at[5:2]] = {value[15], value[13:0]};
      end
      if (restart || counted_q) position_q[restart ? at[5:2] : row_q] = restart ? 16'd0 : counted;
      counted_q <= taken_i || (counted_q && restart && at[5:2] != row_q);
      if (fetch_i) row_q <= row;

      if (rst_i) begin
        walk_q    <= 7'd0;
        fetched_q <= 1'b0;
        counted_q <= 1'b0;
        kind_o    <= 4'd0;
      end
    end
  end

  assign busy_o = walking || fetched_q || counted_q;
endmodule

`default_nettype wire
