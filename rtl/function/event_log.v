// isochio: the event log: 96-bit entries in block RAM; the oldest stay, what finds no room is counted.
//
// data_o is valid while empty_o is low; the next entry follows 2 clocks after pop_i. An entry can be read 2 clocks after event_i.
`default_nettype none

module event_log #(
    // log2 of the entries, 2 ... 16.
    parameter ENTRIES_LOG2 = 12
) (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire        clear_i,
    input  wire        enabled_i,
    input  wire [15:0] mask_i,      // one bit per kind
    input  wire [31:0] stamp_i,
    input  wire [13:0] frame_i,
    input  wire        event_i,
    input  wire [ 3:0] kind_i,
    input  wire [ 4:0] endpoint_i,
    input  wire [15:0] length_i,
    input  wire [ 7:0] pid_i,
    input  wire [ 3:0] status_i,
    input  wire        pop_i,
    output reg  [95:0] data_o,
    output wire        empty_o,
    output wire [31:0] count_o,
    output wire [31:0] lost_o,
    output wire        busy_o
);
  localparam [3:0] LAST_KIND = 4'd7;

  reg [95:0] entry_q[0:(1<<ENTRIES_LOG2)-1];
  reg [ENTRIES_LOG2:0] in_q, out_q;  // one bit more than the address: full and empty differ
  reg [31:0] lost_q;
  reg valid_q;                       // data_o holds the oldest entry; the RAM holds the rest

  wire [ENTRIES_LOG2:0] stored = in_q - out_q;
  wire fetch = !valid_q && in_q != out_q;

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver. Registers are read before they are written; the
  // simulator then needs no copies of them.
  // verilator lint_off BLKSEQ
  reg wanted, store, valid;

  always @(posedge clk_i) begin
    if (event_i || fetch || pop_i || clear_i || rst_i) begin
      wanted = event_i && enabled_i && kind_i <= LAST_KIND && mask_i[kind_i];
      store  = wanted && !stored[ENTRIES_LOG2];
      valid  = fetch || (valid_q && !pop_i);
      if (fetch) data_o <= entry_q[out_q[ENTRIES_LOG2-1:0]];
      if (store)
        entry_q[in_q[ENTRIES_LOG2-1:0]] <= {4'd0, status_i, pid_i, length_i, 4'd0, kind_i, endpoint_i[4], 3'd0,
                                            endpoint_i[3:0], 2'b00, frame_i, stamp_i};
      valid_q <= !rst_i && !clear_i && valid;
      out_q   <= rst_i || clear_i ? {(ENTRIES_LOG2 + 1) {1'b0}} : out_q + {{ENTRIES_LOG2{1'b0}}, fetch};
      lost_q  <= rst_i || clear_i ? 32'd0 : lost_q + {31'd0, wanted && !store};
      in_q    <= rst_i || clear_i ? {(ENTRIES_LOG2 + 1) {1'b0}} : in_q + {{ENTRIES_LOG2{1'b0}}, store};
    end
  end

  assign lost_o = lost_q;
  assign empty_o = !valid_q;
  assign count_o = {{(31 - ENTRIES_LOG2) {1'b0}}, stored} + {31'd0, valid_q};
  assign busy_o = fetch;
endmodule

`default_nettype wire
