// isochio: the registers of docs/registers.md, and what each engine is set to.
//
// Read data is valid 2 clocks after re_i. An endpoint's row (setup_en_i) sets its engine's registers as it comes. After reset and on
// CONTROL bit 10 the engines are walked one a clock with restart_*_o; after reset the walk also gives their registers the reset values.
// A value too large for a register's width becomes the largest that fits.
`default_nettype none

module registers #(
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    parameter LOG_LOG2 = 12,
    parameter LOOPBACK_LOG2 = 13,
    // log2 of the engines there is state for, of either direction, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   rst_i,
    // What the read-only registers show.
    input  wire [           31:0] stamp_i,
    input  wire [           13:0] frame_i,
    input  wire                   frame_locked_i,
    input  wire                   high_speed_i,
    input  wire                   configured_i,
    input  wire                   suspended_i,
    input  wire [            6:0] address_i,
    input  wire [           31:0] log_count_i,
    input  wire [           31:0] log_lost_i,
    input  wire [           31:0] feedback_i,
    // Access.
    input  wire [            9:0] addr_i,
    input  wire [           31:0] wdata_i,
    input  wire                   we_i,
    input  wire                   re_i,
    output reg  [           31:0] rdata_o,
    output wire [            8:0] counter_address_o,  // see counters.v; read with re_i
    input  wire [           31:0] counter_i,
    output wire                   list_we_o,
    input  wire [           11:0] list_rdata_i,       // 1 clock after re_i
    output wire [           11:0] list_wdata_o,
    // An endpoint is put on an engine.
    input  wire                   setup_en_i,
    input  wire                   setup_in_i,
    input  wire [            3:0] setup_engine_i,
    // (Waiver: the row's bytes are taken as they are; what the engine needs is used.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [           71:0] setup_row_i,
    // verilator lint_on UNUSEDSIGNAL
    output wire                   restart_in_o,
    output wire                   restart_out_o,
    output wire [ENGINE_BITS-1:0] restart_engine_o,
    // The engines of the current transactions.
    input  wire [ENGINE_BITS-1:0] in_engine_i,
    output wire [            3:0] in_function_o,
    output wire [           31:0] in_seed_o,
    output wire [            1:0] in_size_mode_o,
    output wire [           11:0] in_size_o,
    output wire [            7:0] in_sample_bytes_o,
    output wire [            4:0] in_list_length_o,
    output wire [           11:0] in_capacity_o,
    output wire [            3:0] in_interval_o,
    output wire [            1:0] in_format_o,
    input  wire [ENGINE_BITS-1:0] out_engine_i,
    output wire [            3:0] out_function_o,
    output wire [           31:0] out_seed_o,
    // Control.
    output reg                    log_enabled_o,
    output reg  [           15:0] log_mask_o,
    output wire                   log_clear_o,
    output wire                   counters_clear_o,
    output reg  [           24:0] sample_rate_o,
    output reg                    sample_asynchronous_o,
    output wire                   sample_needed_o,
    output reg                    sample_changed_o,   // rate or period are new
    output reg  [            3:0] feedback_period_o,
    output reg  [           31:0] feedback_override_o,
    output wire                   busy_o
);
  localparam ENGINES = 1 << ENGINE_BITS;
  localparam [31:0] SEED = 32'h49534F49;
  localparam [3:0] FEEDBACK = 4'd5;
  localparam [1:0] SAMPLES = 2'd2;
  localparam [31:0] INS_32 = IN_ENGINES, OUTS_32 = OUT_ENGINES, LOG_32 = LOG_LOG2, LOOPBACK_32 = LOOPBACK_LOG2;
  localparam [3:0] INS = INS_32[3:0], OUTS = OUTS_32[3:0];
  localparam [7:0] LOG = LOG_32[7:0], LOOPBACK = LOOPBACK_32[7:0];

  reg [3:0] in_function_q[0:ENGINES-1];
  reg [31:0] in_seed_q[0:ENGINES-1];
  reg [1:0] in_size_mode_q[0:ENGINES-1];
  reg [11:0] in_size_q[0:ENGINES-1];
  reg [7:0] in_sample_bytes_q[0:ENGINES-1];
  reg [4:0] in_list_length_q[0:ENGINES-1];
  reg [11:0] in_capacity_q[0:ENGINES-1];
  reg [3:0] in_interval_q[0:ENGINES-1];
  reg [1:0] in_format_q[0:ENGINES-1];
  reg [3:0] out_function_q[0:ENGINES-1];
  reg [31:0] out_seed_q[0:ENGINES-1];
  reg [ENGINES-1:0] sampling_q, feeding_back_q;

  // ---- writes: the bus, an endpoint row, or the walk after reset
  reg [3:0] walk_q;  // engine that is restarted next; bit 3: none
  reg walk_resets_q;
  wire walking = !walk_q[3] && !setup_en_i;
  wire resetting = walking && walk_resets_q;

  wire setup_in = setup_en_i && setup_in_i && setup_engine_i < INS;
  wire setup_out = setup_en_i && !setup_in_i && setup_engine_i < OUTS;
  wire write_in = we_i && addr_i[9:8] == 2'd1 && {1'b0, addr_i[7:5]} < INS;
  wire write_out = we_i && addr_i[9:8] == 2'd2 && {1'b0, addr_i[7:5]} < OUTS;
  wire [ENGINE_BITS-1:0] at = setup_en_i ? setup_engine_i[ENGINE_BITS-1:0]
                              : walking ? walk_q[ENGINE_BITS-1:0] : addr_i[5+:ENGINE_BITS];
  wire [4:0] which = addr_i[4:0];

  // The row: bits 7..0 are byte 1, 15..8 byte 4 and so on.
  wire [11:0] packet_bytes = {1'b0, setup_row_i[18:8]};
  wire [1:0] more_packets = setup_row_i[20:19];
  wire [11:0] capacity = packet_bytes + (more_packets != 2'd0 ? packet_bytes : 12'd0) + (more_packets[1] ? packet_bytes : 12'd0);

  wire [3:0] new_function = setup_en_i ? setup_row_i[35:32] : resetting ? 4'd0 : |wdata_i[31:4] ? 4'd15 : wdata_i[3:0];
  wire [1:0] new_size_mode = setup_en_i ? setup_row_i[37:36] : resetting ? 2'd0 : |wdata_i[31:2] ? 2'd3 : wdata_i[1:0];
  wire [11:0] new_size = setup_en_i ? (|setup_row_i[55:52] ? 12'hFFF : setup_row_i[51:40])
                         : resetting ? 12'd0 : |wdata_i[31:12] ? 12'hFFF : wdata_i[11:0];
  wire [7:0] new_sample_bytes = setup_en_i ? setup_row_i[63:56] : resetting ? 8'd0 : |wdata_i[31:8] ? 8'hFF : wdata_i[7:0];
  wire [4:0] new_list_length = resetting ? 5'd1 : wdata_i > 32'd16 ? 5'd16 : wdata_i[4:0];
  wire [31:0] new_seed = resetting ? SEED : wdata_i;

  wire in_row = setup_in || resetting;
  always @(posedge clk_i) begin
    if (in_row || (write_in && which == 5'd0)) begin
      in_function_q[at]  <= new_function;
      feeding_back_q[at] <= new_function == FEEDBACK;
    end
    if (in_row || (write_in && which == 5'd2)) begin
      in_size_mode_q[at] <= new_size_mode;
      sampling_q[at]     <= new_size_mode == SAMPLES;
    end
    if (rst_i) begin
      feeding_back_q <= {ENGINES{1'b0}};
      sampling_q     <= {ENGINES{1'b0}};
    end
  end
  always @(posedge clk_i) if (in_row || (write_in && which == 5'd3)) in_size_q[at] <= new_size;
  always @(posedge clk_i) if (in_row || (write_in && which == 5'd4)) in_sample_bytes_q[at] <= new_sample_bytes;
  always @(posedge clk_i) if (resetting || (write_in && which == 5'd5)) in_list_length_q[at] <= new_list_length;
  always @(posedge clk_i) if (resetting || (write_in && which == 5'd1)) in_seed_q[at] <= new_seed;
  always @(posedge clk_i) begin
    if (in_row) begin
      in_capacity_q[at] <= setup_en_i ? capacity : 12'd0;
      in_interval_q[at] <= setup_row_i[27:24];
      in_format_q[at]   <= setup_row_i[69:68];
    end
  end
  always @(posedge clk_i) if (setup_out || resetting || (write_out && which == 5'd0)) out_function_q[at] <= new_function;
  always @(posedge clk_i) if (resetting || (write_out && which == 5'd1)) out_seed_q[at] <= new_seed;

  wire write_general = we_i && addr_i[9:4] == 6'd0;
  wire write_control = write_general && addr_i[3:0] == 4'h4;
  assign counters_clear_o = write_control && wdata_i[8];
  assign log_clear_o = write_control && wdata_i[9];

  always @(posedge clk_i) begin
    if (rst_i) begin
      walk_q        <= 4'd0;
      walk_resets_q <= 1'b1;
    end else if (write_control && wdata_i[10]) begin
      walk_q <= 4'd0;
    end else if (walking) begin
      walk_q <= walk_q + 4'd1;
      if (walk_q == 4'd7) walk_resets_q <= 1'b0;
    end
  end

  assign restart_in_o = setup_in || walking;
  assign restart_out_o = setup_out || walking;
  assign restart_engine_o = at;

  always @(posedge clk_i) begin
    if (rst_i) begin
      log_enabled_o         <= 1'b1;
      log_mask_o            <= 16'hFFFF;
      sample_rate_o         <= 25'd48_000;
      sample_asynchronous_o <= 1'b0;
      sample_changed_o      <= 1'b0;
      feedback_override_o   <= 32'd0;
      feedback_period_o     <= 4'd0;
    end else begin
      if (write_control) log_enabled_o <= wdata_i[0];
      if (write_general && addr_i[3:0] == 4'h5) log_mask_o <= wdata_i[15:0];
      if (write_general && addr_i[3:0] == 4'hA) sample_rate_o <= |wdata_i[31:25] ? 25'h1FFFFFF : wdata_i[24:0];
      if (write_general && addr_i[3:0] == 4'hB) sample_asynchronous_o <= wdata_i != 32'd0;
      if (write_general && addr_i[3:0] == 4'hD) feedback_override_o <= wdata_i;
      if (setup_in && new_function == FEEDBACK) feedback_period_o <= setup_row_i[67:64];
      if (sample_changed_o || setup_in || write_general)
        sample_changed_o <= (write_general && addr_i[3:0] == 4'hA) || (setup_in && new_function == FEEDBACK);
    end
  end

  assign sample_needed_o = feeding_back_q != {ENGINES{1'b0}} || sampling_q != {ENGINES{1'b0}};

  // ---- what the current engines are set to
  assign in_function_o = in_function_q[in_engine_i];
  assign in_seed_o = in_seed_q[in_engine_i];
  assign in_size_mode_o = in_size_mode_q[in_engine_i];
  assign in_size_o = in_size_q[in_engine_i];
  assign in_sample_bytes_o = in_sample_bytes_q[in_engine_i];
  assign in_list_length_o = in_list_length_q[in_engine_i];
  assign in_capacity_o = in_capacity_q[in_engine_i];
  assign in_interval_o = in_interval_q[in_engine_i];
  assign in_format_o = in_format_q[in_engine_i];
  assign out_function_o = out_function_q[out_engine_i];
  assign out_seed_o = out_seed_q[out_engine_i];

  // ---- reads: RAMs at re_i, the choice one clock later
  reg re_q;
  reg [9:0] addr_q;
  wire [ENGINE_BITS-1:0] engine = addr_q[5+:ENGINE_BITS];
  wire in_exists = {1'b0, addr_q[7:5]} < INS;
  wire out_exists = {1'b0, addr_q[7:5]} < OUTS;

  // Registers 8 ... 23 of an engine are counters 0 ... 15.
  assign counter_address_o = addr_i[9:8] == 2'd0 ? {5'd0, addr_i[3:0]} : {addr_i[9:5], addr_i[4], addr_i[2:0]};
  assign list_we_o = we_i && addr_i[9:7] == 3'b110 && {1'b0, addr_i[6:4]} < INS;
  assign list_wdata_o = |wdata_i[31:12] ? 12'hFFF : wdata_i[11:0];

  always @(posedge clk_i) begin
    if (rst_i) re_q <= 1'b0;
    else if (re_i || re_q) re_q <= re_i;
    if (re_i) addr_q <= addr_i;
    if (re_q) begin
      rdata_o <= 32'd0;
      case (addr_q[9:8])
        2'd0:
        if (addr_q[7:4] == 4'd1) rdata_o <= counter_i;
        else if (addr_q[7:4] == 4'd0)
          case (addr_q[3:0])
            4'h0: rdata_o <= 32'h4F495349;
            4'h1: rdata_o <= 32'd1;
            4'h2: rdata_o <= {8'd0, LOOPBACK, LOG, OUTS, INS};
            4'h3: rdata_o <= {17'd0, address_i, 5'd0, suspended_i, configured_i, high_speed_i};
            4'h4: rdata_o <= {31'd0, log_enabled_o};
            4'h5: rdata_o <= {16'd0, log_mask_o};
            4'h6: rdata_o <= log_count_i;
            4'h7: rdata_o <= log_lost_i;
            4'h8: rdata_o <= {frame_locked_i, 17'd0, frame_i};
            4'h9: rdata_o <= stamp_i;
            4'hA: rdata_o <= {7'd0, sample_rate_o};
            4'hB: rdata_o <= {31'd0, sample_asynchronous_o};
            4'hC: rdata_o <= feedback_i;
            4'hD: rdata_o <= feedback_override_o;
            default: rdata_o <= 32'd0;
          endcase
        2'd1:
        if (in_exists)
          case (addr_q[4:0])
            5'd0: rdata_o <= {28'd0, in_function_q[engine]};
            5'd1: rdata_o <= in_seed_q[engine];
            5'd2: rdata_o <= {30'd0, in_size_mode_q[engine]};
            5'd3: rdata_o <= {20'd0, in_size_q[engine]};
            5'd4: rdata_o <= {24'd0, in_sample_bytes_q[engine]};
            5'd5: rdata_o <= {27'd0, in_list_length_q[engine]};
            5'd8, 5'd9, 5'd10, 5'd12: rdata_o <= counter_i;
            default: rdata_o <= 32'd0;
          endcase
        2'd2:
        if (out_exists)
          case (addr_q[4:0])
            5'd0: rdata_o <= {28'd0, out_function_q[engine]};
            5'd1: rdata_o <= out_seed_q[engine];
            5'd8, 5'd9, 5'd10, 5'd11, 5'd12, 5'd13, 5'd14, 5'd15, 5'd16, 5'd17, 5'd18, 5'd19, 5'd20: rdata_o <= counter_i;
            default: rdata_o <= 32'd0;
          endcase
        default: if (!addr_q[7] && {1'b0, addr_q[6:4]} < INS) rdata_o <= {20'd0, list_rdata_i};
      endcase
    end
  end

  assign busy_o = !walk_q[3] || re_q || sample_changed_o;
endmodule

`default_nettype wire
