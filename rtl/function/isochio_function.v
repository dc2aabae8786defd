// isochio: what the device does for a test, behind the function port (docs/rtl.md, docs/registers.md, docs/payload.md).
//
// Joins the pattern source, the pattern sink, the loopback buffers, the size schedule, the sample clock, the registers, the counters and
// the event log. One transaction is on the bus at a time, so there is one of each part, with state per engine.
// Nothing changes at a clock without an input strobe, unless busy_o is high.
`default_nettype none

module isochio_function #(
    // Engines of each direction, 1 ... 8.
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    // log2 of the event log's entries (96 bits each), 2 ... 16.
    parameter LOG_LOG2 = 12,
    // log2 of the loopback bytes of an engine pair, 9 ... 14; below 12 the largest service interval does not fit.
    parameter LOOPBACK_LOG2 = 13,
    // Pairs of engines that can loop back, 1 ... 8: OUT engine n to IN engine n for n below it.
    parameter LOOPBACK_PAIRS = 6
) (
    input  wire        clk_i,
    // The same clock, for the pattern source; a simulator may leave out edges of clk_i (docs/rtl.md).
    input  wire        clk_source_i,
    input  wire        rst_i,
    // Time and state of the device.
    input  wire [31:0] stamp_i,         // 60 MHz clocks modulo 2^32
    input  wire [13:0] frame_i,         // 13..3 frame number, 2..0 microframe
    input  wire        frame_tick_i,    // a (micro)frame starts; frame_i is already the new one
    input  wire        frame_locked_i,  // STATUS and FRAME registers
    input  wire        high_speed_i,
    input  wire        configured_i,
    input  wire        suspended_i,
    input  wire [ 6:0] address_i,
    // An endpoint is put on an engine.
    input  wire        setup_en_i,
    input  wire        setup_in_i,
    input  wire [ 3:0] setup_engine_i,
    input  wire [71:0] setup_row_i,     // endpoint row bytes: 7..0 byte 1, 15..8 byte 4, 23..16 byte 5 ... 71..64 byte 11
    // IN transactions.
    // (Waiver: upper bits are 0 below eight engines.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [ 3:0] in_engine_i,
    // verilator lint_on UNUSEDSIGNAL
    input  wire        in_open_i,
    output wire [11:0] in_bytes_o,
    output wire        in_has_o,
    input  wire        in_start_i,
    input  wire [10:0] in_length_i,
    output wire [ 7:0] in_data_o,
    input  wire        in_next_i,
    output wire        in_next_needed_o,  // in_next_i is for more than the pattern source: clk_i is needed with it
    input  wire        in_done_i,
    input  wire        in_ok_i,
    // OUT transactions.
    // (Waiver: upper bits are 0 below eight engines.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [ 3:0] out_engine_i,
    // verilator lint_on UNUSEDSIGNAL
    output wire        out_room_o,
    output wire        out_overflow_o,  // the packets since the last commit do not fit the loopback buffer
    input  wire        out_start_i,
    input  wire        out_valid_i,
    input  wire [ 7:0] out_data_i,
    input  wire        out_end_i,
    input  wire        out_commit_i,
    input  wire        out_discard_i,
    // Faults of the packet that is sent next.
    input  wire        fault_fetch_i,
    input  wire        fault_in_i,
    // (Waiver: there are at most eight engines.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [ 3:0] fault_engine_i,
    // verilator lint_on UNUSEDSIGNAL
    input  wire        fault_taken_i,
    output wire [ 3:0] fault_kind_o,
    output wire [11:0] fault_argument_o,
    // Events: counters and log.
    input  wire        event_i,
    input  wire [ 3:0] event_kind_i,
    input  wire [ 4:0] event_endpoint_i,  // 3..0 endpoint number, 4 IN
    // (Waiver: upper bits are 0 below eight engines.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [ 3:0] event_engine_i,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [15:0] event_length_i,
    input  wire [ 7:0] event_pid_i,
    input  wire [ 3:0] event_status_i,
    // Registers.
    input  wire [ 9:0] reg_addr_i,
    input  wire [31:0] reg_wdata_i,
    input  wire        reg_we_i,
    input  wire        reg_re_i,
    output wire [31:0] reg_rdata_o,
    // Log.
    input  wire        log_pop_i,
    output wire [95:0] log_data_o,
    output wire        log_empty_o,
    // Sequential helpers run.
    output wire        busy_o
);

  localparam MOST_ENGINES = IN_ENGINES > OUT_ENGINES ? IN_ENGINES : OUT_ENGINES;
  localparam ENGINE_BITS = MOST_ENGINES <= 2 ? 1 : MOST_ENGINES <= 4 ? 2 : 3;
  localparam [3:0] LOOPBACK = 4'd4;

  wire [ENGINE_BITS-1:0] in_engine = in_engine_i[ENGINE_BITS-1:0];
  wire [ENGINE_BITS-1:0] out_engine = out_engine_i[ENGINE_BITS-1:0];

  // ---- registers
  wire restart_in, restart_out;
  wire [ENGINE_BITS-1:0] restart_engine;
  wire [3:0] in_function, out_function, in_interval;
  wire [31:0] in_seed, out_seed;
  wire [1:0] in_size_mode, in_format;
  wire [11:0] in_size, in_capacity;
  wire [7:0] in_sample_bytes;
  wire [4:0] in_list_length;
  wire log_enabled, log_clear, counters_clear;
  wire [15:0] log_mask;
  wire [31:0] log_count, log_lost;
  wire [8:0] counter_address;
  wire [31:0] counter;
  wire list_we;
  wire [11:0] list_rdata, list_wdata;
  wire [24:0] sample_rate;
  wire [11:0] sample_ppm;
  wire sample_asynchronous, sample_needed, sample_changed;
  wire [3:0] feedback_period;
  wire [31:0] feedback, feedback_override, feedback_fault;
  wire [15:0] fault_shown;
  wire registers_busy, faults_busy;

  registers #(
      .IN_ENGINES   (IN_ENGINES),
      .OUT_ENGINES  (OUT_ENGINES),
      .LOG_LOG2     (LOG_LOG2),
      .LOOPBACK_LOG2(LOOPBACK_LOG2),
      .ENGINE_BITS  (ENGINE_BITS)
  ) i_registers (
      .clk_i                (clk_i),
      .rst_i                (rst_i),
      .stamp_i              (stamp_i),
      .frame_i              (frame_i),
      .frame_locked_i       (frame_locked_i),
      .high_speed_i         (high_speed_i),
      .configured_i         (configured_i),
      .suspended_i          (suspended_i),
      .address_i            (address_i),
      .log_count_i          (log_count),
      .log_lost_i           (log_lost),
      .feedback_i           (feedback),
      .addr_i               (reg_addr_i),
      .wdata_i              (reg_wdata_i),
      .we_i                 (reg_we_i),
      .re_i                 (reg_re_i),
      .rdata_o              (reg_rdata_o),
      .counter_address_o    (counter_address),
      .counter_i            (counter),
      .list_we_o            (list_we),
      .list_rdata_i         (list_rdata),
      .list_wdata_o         (list_wdata),
      .setup_en_i           (setup_en_i),
      .setup_in_i           (setup_in_i),
      .setup_engine_i       (setup_engine_i),
      .setup_row_i          (setup_row_i),
      .restart_in_o         (restart_in),
      .restart_out_o        (restart_out),
      .restart_engine_o     (restart_engine),
      .in_engine_i          (in_engine),
      .in_function_o        (in_function),
      .in_seed_o            (in_seed),
      .in_size_mode_o       (in_size_mode),
      .in_size_o            (in_size),
      .in_sample_bytes_o    (in_sample_bytes),
      .in_list_length_o     (in_list_length),
      .in_capacity_o        (in_capacity),
      .in_interval_o        (in_interval),
      .in_format_o          (in_format),
      .out_engine_i         (out_engine),
      .out_function_o       (out_function),
      .out_seed_o           (out_seed),
      .log_enabled_o        (log_enabled),
      .log_mask_o           (log_mask),
      .log_clear_o          (log_clear),
      .counters_clear_o     (counters_clear),
      .sample_rate_o        (sample_rate),
      .sample_ppm_o         (sample_ppm),
      .sample_asynchronous_o(sample_asynchronous),
      .sample_needed_o      (sample_needed),
      .sample_changed_o     (sample_changed),
      .feedback_period_o    (feedback_period),
      .feedback_override_o  (feedback_override),
      .feedback_fault_o     (feedback_fault),
      .fault_i              (fault_shown),
      .busy_o               (registers_busy)
  );

  // ---- faults
  localparam [3:0] FEEDBACK_FAULT = 4'd10;

  fault_plan i_fault_plan (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .frame_i   (frame_i),
      .addr_i    (reg_addr_i),
      .wdata_i   (reg_wdata_i),
      .we_i      (reg_we_i),
      .re_i      (reg_re_i),
      .shown_o   (fault_shown),
      .fetch_i   (fault_fetch_i),
      .in_i      (fault_in_i),
      .engine_i  (fault_engine_i[2:0]),
      .taken_i   (fault_taken_i),
      .kind_o    (fault_kind_o),
      .argument_o(fault_argument_o),
      .busy_o    (faults_busy)
  );

  // ---- samples and feedback
  wire [19:0] samples;
  wire [15:0] samples_last;
  wire sample_clock_busy;

  sample_clock i_sample_clock (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .high_speed_i  (high_speed_i),
      .tick_i        (frame_tick_i),
      .stamp_i       (stamp_i),
      .needed_i      (sample_needed),
      .asynchronous_i(sample_asynchronous),
      .rate_i        (sample_rate),
      .ppm_i         (sample_ppm),
      .changed_i     (sample_changed),
      .period_i      (feedback_period),
      .samples_o     (samples),
      .last_o        (samples_last),
      .feedback_o    (feedback),
      .busy_o        (sample_clock_busy)
  );

  // 10.14 per frame in 3 bytes or 16.16 per microframe in 4, from 16.16 per frame (full speed) or microframe (high speed).
  wire feedback_3 = in_format == 2'd0;
  reg [31:0] feedback_q;  // as it goes on the wire
  always @(posedge clk_i) begin
    if (in_open_i) begin
      if (feedback_override != 32'd0) feedback_q <= feedback_override;
      else if (feedback_3) feedback_q <= high_speed_i ? {8'd0, feedback[22:0], 1'b0} : {8'd0, feedback[25:2]};
      else feedback_q <= high_speed_i ? feedback : {3'd0, feedback[31:3]};
    end
  end

  // ---- IN
  wire loop_has;
  wire [11:0] loop_bytes;
  wire [7:0] loop_data;

  size_schedule #(
      .ENGINE_BITS(ENGINE_BITS)
  ) i_size_schedule (
      .clk_i           (clk_i),
      .restart_i       (restart_in),
      .restart_engine_i(restart_engine),
      .open_i          (in_open_i),
      .engine_i        (in_engine),
      .function_i      (in_function),
      .mode_i          (in_size_mode),
      .size_i          (in_size),
      .sample_bytes_i  (in_sample_bytes),
      .list_length_i   (in_list_length),
      .capacity_i      (in_capacity),
      .interval_i      (in_interval),
      .feedback_3_i    (feedback_3),
      .frame_i         (frame_i),
      .high_speed_i    (high_speed_i),
      .samples_i       (samples),
      .samples_last_i  (samples_last),
      .loop_has_i      (loop_has),
      .loop_bytes_i    (loop_bytes),
      .list_we_i       (list_we),
      .list_re_i       (reg_re_i),
      .list_addr_i     (reg_addr_i[ENGINE_BITS+3:0]),
      .list_wdata_i    (list_wdata),
      .list_rdata_o    (list_rdata),
      .bytes_o         (in_bytes_o),
      .has_o           (in_has_o)
  );

  pattern_source #(
      .ENGINE_BITS(ENGINE_BITS)
  ) i_pattern_source (
      .clk_i           (clk_source_i),
      .restart_i       (restart_in),
      .restart_engine_i(restart_engine),
      .engine_i        (in_engine),
      .function_i      (in_function),
      .seed_i          (in_seed),
      .frame_i         (frame_i),
      .feedback_i      (fault_kind_o == FEEDBACK_FAULT ? feedback_fault : feedback_q),
      .start_i         (in_start_i),
      .length_i        (in_length_i),
      .next_i          (in_next_i),
      .done_i          (in_done_i),
      .ok_i            (in_ok_i),
      .loop_data_i     (loop_data),
      .data_o          (in_data_o)
  );

  // ---- OUT
  wire job;
  wire [ENGINE_BITS-1:0] job_engine;
  wire [1:0] job_packets, job_zero_length, job_duplicate, job_reordered, job_corrupt, job_mistimed, job_truncated;
  wire [12:0] job_bytes;
  wire [31:0] job_lost, job_bad_sequence;
  wire [26:0] job_bad;
  wire sink_busy;

  pattern_sink #(
      .ENGINE_BITS(ENGINE_BITS)
  ) i_pattern_sink (
      .clk_i             (clk_i),
      .rst_i             (rst_i),
      .restart_i         (restart_out),
      .restart_engine_i  (restart_engine),
      .engine_i          (out_engine),
      .function_i        (out_function),
      .seed_i            (out_seed),
      .frame_i           (frame_i),
      .start_i           (out_start_i),
      .valid_i           (out_valid_i),
      .data_i            (out_data_i),
      .end_i             (out_end_i),
      .commit_i          (out_commit_i),
      .discard_i         (out_discard_i),
      .job_o             (job),
      .job_engine_o      (job_engine),
      .job_packets_o     (job_packets),
      .job_bytes_o       (job_bytes),
      .job_zero_length_o (job_zero_length),
      .job_lost_o        (job_lost),
      .job_duplicate_o   (job_duplicate),
      .job_reordered_o   (job_reordered),
      .job_corrupt_o     (job_corrupt),
      .job_mistimed_o    (job_mistimed),
      .job_truncated_o   (job_truncated),
      .job_bad_sequence_o(job_bad_sequence),
      .job_bad_o         (job_bad),
      .busy_o            (sink_busy)
  );

  // ---- loopback
  wire dropped, loopback_busy;
  wire [ENGINE_BITS-1:0] dropped_engine;

  loopback_buffer #(
      .ENGINE_BITS(ENGINE_BITS),
      .PAIRS      (LOOPBACK_PAIRS),
      .BYTES_LOG2 (LOOPBACK_LOG2)
  ) i_loopback_buffer (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .restart_i       (restart_in || restart_out),
      .restart_engine_i(restart_engine),
      .out_engine_i    (out_engine),
      .out_here_i      (out_function == LOOPBACK),
      .out_start_i     (out_start_i),
      .out_valid_i     (out_valid_i),
      .out_data_i      (out_data_i),
      .out_commit_i    (out_commit_i),
      .out_discard_i   (out_discard_i),
      .room_o          (out_room_o),
      .overflow_o      (out_overflow_o),
      .dropped_o       (dropped),
      .dropped_engine_o(dropped_engine),
      .in_engine_i     (in_engine),
      .in_here_i       (in_function == LOOPBACK),
      .in_open_i       (in_open_i),
      .has_o           (loop_has),
      .bytes_o         (loop_bytes),
      .in_start_i      (in_start_i),
      .in_length_i     (in_length_i),
      .in_next_i       (in_next_i),
      .in_done_i       (in_done_i),
      .in_ok_i         (in_ok_i),
      .data_o          (loop_data),
      .busy_o          (loopback_busy)
  );

  // ---- events
  wire counters_busy, log_busy;

  counters #(
      .ENGINE_BITS(ENGINE_BITS)
  ) i_counters (
      .clk_i             (clk_i),
      .rst_i             (rst_i),
      .clear_i           (counters_clear),
      .event_i           (event_i),
      .kind_i            (event_kind_i),
      .endpoint_i        (event_endpoint_i[3:0] != 4'd0),
      .in_i              (event_endpoint_i[4]),
      .engine_i          (event_engine_i[ENGINE_BITS-1:0]),
      .length_i          (event_length_i[10:0]),
      .status_i          (event_status_i),
      .discard_i         (out_discard_i),
      .job_i             (job),
      .job_engine_i      (job_engine),
      .job_packets_i     (job_packets),
      .job_bytes_i       (job_bytes),
      .job_zero_length_i (job_zero_length),
      .job_lost_i        (job_lost),
      .job_duplicate_i   (job_duplicate),
      .job_reordered_i   (job_reordered),
      .job_corrupt_i     (job_corrupt),
      .job_mistimed_i    (job_mistimed),
      .job_truncated_i   (job_truncated),
      .job_bad_sequence_i(job_bad_sequence),
      .job_bad_i         (job_bad),
      .dropped_i         (dropped),
      .dropped_engine_i  (dropped_engine),
      .read_i            (reg_re_i),
      .address_i         (counter_address),
      .rdata_o           (counter),
      .busy_o            (counters_busy)
  );

  event_log #(
      .ENTRIES_LOG2(LOG_LOG2)
  ) i_event_log (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .clear_i   (log_clear),
      .enabled_i (log_enabled),
      .mask_i    (log_mask),
      .stamp_i   (stamp_i),
      .frame_i   (frame_i),
      .event_i   (event_i),
      .kind_i    (event_kind_i),
      .endpoint_i(event_endpoint_i),
      .length_i  (event_length_i),
      .pid_i     (event_pid_i),
      .status_i  (event_status_i),
      .pop_i     (log_pop_i),
      .data_o    (log_data_o),
      .empty_o   (log_empty_o),
      .count_o   (log_count),
      .lost_o    (log_lost),
      .busy_o    (log_busy)
  );

  assign in_next_needed_o = in_function == LOOPBACK;
  assign busy_o = registers_busy || faults_busy || sample_clock_busy || sink_busy || loopback_busy || counters_busy || log_busy;
endmodule

`default_nettype wire
