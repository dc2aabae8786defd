// isochio: what sits on each endpoint number and direction at present: attributes, data toggle, halt, and the state that the
// transaction engine keeps for it between transactions.
//
// An index is {IN, endpoint number}. Attributes and state are memories read one clock after lookup_i; valid, toggle, halt and fresh
// are registers, so that a bus reset clears them at once. Setting an endpoint up makes it valid, DATA0, not halted and fresh (its
// state word is not to be used). A transaction under way when its endpoint is set up, taken away, halted or released
// no longer changes anything here.
`default_nettype none

module endpoint_table (
    input  wire        clk_i,
    // Clears all: no endpoint but 0.
    input  wire        clear_i,
    // Control endpoint: set up, take away, halt, un-halt (which also resets the toggle).
    input  wire [ 4:0] change_index_i,
    input  wire        setup_i,
    input  wire [22:0] setup_attributes_i,
    input  wire        remove_i,
    input  wire        halt_i,
    input  wire        unhalt_i,
    output wire        change_valid_o,
    output wire        change_halt_o,
    output wire        change_isochronous_o,
    // Transaction engine.
    input  wire        lookup_i,
    input  wire [ 4:0] lookup_index_i,
    output wire        valid_o,
    output wire        toggle_o,
    output wire        halt_o,
    output wire        fresh_o,
    // 22..19 engine, 18..15 log2 of the service interval, 14..13 additional transactions, 12..2 largest packet, 1..0 transfer type.
    output wire [22:0] attributes_o,
    output wire [38:0] state_o,
    // Of the endpoint last looked up.
    input  wire        flip_i,
    input  wire        state_we_i,
    input  wire [38:0] state_i
);
  reg [22:0] attributes[0:31];
  reg [38:0] states[0:31];
  reg [31:0] valid_q, toggle_q, halt_q, fresh_q, isochronous_q;
  reg [22:0] attributes_q;
  reg [38:0] state_q;
  reg [ 4:0] index_q;
  reg        current_q;  // the endpoint last looked up is still what it was

  wire changes = setup_i || remove_i || halt_i || unhalt_i;
  wire writes = state_we_i && current_q;

  always @(posedge clk_i) begin
    if (lookup_i) begin
      index_q <= lookup_index_i;
      attributes_q <= attributes[lookup_index_i];
      state_q <= states[lookup_index_i];
    end
    if (setup_i) attributes[change_index_i] <= setup_attributes_i;
    if (writes) states[index_q] <= state_i;
  end

  always @(posedge clk_i) begin
    if (flip_i && current_q) toggle_q[index_q] <= !toggle_q[index_q];
    if (writes) fresh_q[index_q] <= 1'b0;
    if (changes && change_index_i == (lookup_i ? lookup_index_i : index_q)) current_q <= 1'b0;
    else if (lookup_i) current_q <= 1'b1;
    if (setup_i || remove_i) begin
      valid_q[change_index_i] <= setup_i;
      fresh_q[change_index_i] <= 1'b1;
      toggle_q[change_index_i] <= 1'b0;
      halt_q[change_index_i] <= 1'b0;
      isochronous_q[change_index_i] <= setup_attributes_i[1:0] == 2'd1;
    end
    if (halt_i || unhalt_i) begin
      halt_q[change_index_i] <= halt_i;
      toggle_q[change_index_i] <= 1'b0;
    end
    if (clear_i) begin
      valid_q <= 32'd0;
      halt_q  <= 32'd0;
    end
  end

  assign change_valid_o = valid_q[change_index_i];
  assign change_halt_o = halt_q[change_index_i];
  assign change_isochronous_o = isochronous_q[change_index_i];
  assign valid_o = valid_q[index_q];
  assign toggle_o = toggle_q[index_q];
  assign halt_o = halt_q[index_q];
  assign fresh_o = fresh_q[index_q];
  assign attributes_o = attributes_q;
  assign state_o = state_q;
endmodule

`default_nettype wire
