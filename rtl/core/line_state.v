// isochio: bus reset, high-speed detection handshake, suspend, resume, remote wake-up (USB 2.0 sections 7.1.7.3 to 7.1.7.7,
// UTMI 1.05), and the test modes of section 7.1.20, which only rst_i ends. Line state comes from utmi_inputs and is taken one clock later. Every other state
// has a way out by a line state or a timer.
//
// The transceiver's clock must keep running in suspend; utmi_suspend_n_o may be left unconnected where it would stop it.
`default_nettype none

module line_state (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire [31:0] stamp_i,
    input  wire [ 1:0] in_line_i,
    // Strobe: a packet began or ended, of whatever direction.
    input  wire        activity_i,
    input  wire        fs_only_i,
    // From the image's attributes.
    input  wire        high_speed_capable_i,
    // A pulse on the pin, and the feature DEVICE_REMOTE_WAKEUP.
    input  wire        remote_wakeup_i,
    input  wire        remote_wakeup_enabled_i,
    // 0 none, 1 Test_J, 2 Test_K, 3 Test_SE0_NAK, 4 Test_Packet; comes at high speed only, and stays.
    input  wire [ 2:0] test_mode_i,
    output wire        utmi_xcvr_select_o,
    output wire        utmi_term_select_o,
    output wire [ 1:0] utmi_op_mode_o,
    output wire        utmi_suspend_n_o,
    output wire        drive_o,
    output wire        drive_j_o,  // J instead of K
    // Packets are received and answered.
    output wire        operating_o,
    output wire        high_speed_o,
    output wire        suspended_o,
    // Strobe: a bus reset was detected.
    output wire        reset_o,
    // Strobe and status of a LINE event: 1 reset, 2 high speed, 3 full speed, 4 suspend, 5 resume.
    output wire        event_o,
    output wire [ 2:0] event_status_o,
    output wire        deadline_valid_o,
    output wire [31:0] deadline_o,
    // A change of line state is under way.
    output wire        changed_o,
    // No strobe is under way.
    output wire        quiet_o
);
  localparam SE0 = 2'd0, J = 2'd1, K = 2'd2;

  // Clocks of 60 MHz.
  localparam [31:0] RESET_SE0 = 32'd150;        // 2.5 us of SE0 is a reset
  localparam [31:0] IDLE_FS = 32'd180000;       // 3 ms of idle: suspend
  localparam [31:0] IDLE_HS = 32'd181000;       // 3.0 to 3.125 ms of squelch: back to full-speed terminations (TWTREV)
  localparam [31:0] SETTLE = 32'd12000;         // 100 to 875 us later the line tells reset from suspend (TWTRSTHS)
  localparam [31:0] CHIRP = 32'd90000;          // device chirp, 1 to 7 ms (TUCH)
  localparam [31:0] CHIRP_WAIT = 32'd120000;    // no host chirp in 1.0 to 2.5 ms: full speed (TWTFS)
  localparam [31:0] CHIRP_FILTER = 32'd150;     // a host K or J lasts at least 2.5 us (TFILT)
  localparam [31:0] WAKE_AFTER = 32'd120000;    // 2 ms into suspend, that is 5 ms idle (TWTRSM)
  localparam [31:0] WAKE_K = 32'd180000;        // resume signalling by the device, 1 to 15 ms (TDRSMUP)

  localparam FULL = 4'd0, HIGH = 4'd1, REVERT = 4'd2, DEVICE_CHIRP = 4'd3, HOST_CHIRP = 4'd4, FULL_RESET = 4'd5,
             SUSPEND = 4'd6, RESUME = 4'd7, WAKE = 4'd8, TEST = 4'd9;
  localparam [2:0] TEST_K = 3'd2;

  reg [1:0] line_q;
  reg [3:0] state_q;
  reg was_high_q, timer_q, moved_q, reset_q, event_q, wake_pending_q, wake_allowed_q;
  reg [ 2:0] event_status_q;
  reg [ 2:0] chirps_q;
  reg [31:0] deadline_q, changed_at_q;

  // The outputs to the transceiver, set with the state.
  reg xcvr_q, term_q, suspend_n_q, drive_q;
  reg [1:0] op_mode_q;

  wire changed = in_line_i != line_q;
  wire fired = timer_q && (stamp_i - deadline_q) < 32'h80000000;
  wire test_now = state_q == HIGH && test_mode_i != 3'd0;
  wire wake_now = state_q == SUSPEND && wake_pending_q && wake_allowed_q;

  // For how long, and whether the timer starts at this clock: assigned before they are read, so blocking assignments are meant. One
  // adder then does for all.
  /* verilator lint_off BLKSEQ */
  reg [31:0] clocks;
  reg starts;

  task set_timer;
    input [31:0] wanted;
    begin
      timer_q <= 1'b1;
      clocks = wanted;
      starts = 1'b1;
    end
  endtask

  task raise;
    input [2:0] status;
    begin
      event_q <= 1'b1;
      event_status_q <= status;
    end
  endtask

  task enter_reset;
    begin
      reset_q <= 1'b1;
      raise(3'd1);
      suspend_n_q <= 1'b1;
      was_high_q <= 1'b0;
      xcvr_q <= 1'b1;
      term_q <= 1'b1;
      if (fs_only_i || !high_speed_capable_i) begin
        state_q <= FULL_RESET;
        timer_q <= 1'b0;
      end else begin
        state_q <= DEVICE_CHIRP;
        xcvr_q <= 1'b0;
        op_mode_q <= 2'd2;
        drive_q <= 1'b1;
        set_timer(CHIRP);
      end
    end
  endtask

  // Resume signalling may have begun already, before the line could be looked at: as if it came at the next clock.
  task enter_suspend;
    begin
      state_q <= in_line_i == K ? RESUME : SUSPEND;
      suspend_n_q <= in_line_i == K;
      wake_allowed_q <= 1'b0;
      wake_pending_q <= 1'b0;
      raise(3'd4);
      if (in_line_i == K) timer_q <= 1'b0;
      else set_timer(WAKE_AFTER);
    end
  endtask

  // In full speed: what the line state that has just begun leads to if it lasts.
  task watch_full_speed_line;
    case (in_line_i)
      SE0: set_timer(RESET_SE0);
      J: set_timer(IDLE_FS);
      default: timer_q <= 1'b0;
    endcase
  endtask

  always @(posedge clk_i) begin
    if (changed) begin
      line_q <= in_line_i;
      changed_at_q <= stamp_i;
    end
    reset_q <= 1'b0;
    event_q <= 1'b0;
    moved_q <= 1'b0;
    if (remote_wakeup_i && remote_wakeup_enabled_i && state_q == SUSPEND) wake_pending_q <= 1'b1;

    if (changed || fired || activity_i || wake_now || test_now) begin
      clocks = IDLE_FS;
      starts = 1'b0;
      case (state_q)
        FULL:
        if (changed || activity_i) begin
          if (changed || in_line_i != SE0) watch_full_speed_line;
        end else if (line_q == SE0) enter_reset;
        else begin
          was_high_q <= 1'b0;
          enter_suspend;
        end

        HIGH:
        if (test_now) begin
          state_q <= TEST;
          timer_q <= 1'b0;
          if (test_mode_i <= TEST_K) begin
            op_mode_q <= 2'd2;
            drive_q   <= 1'b1;
          end
        end else if (changed || activity_i) set_timer(IDLE_HS);
        else if (line_q != SE0) set_timer(IDLE_HS);
        else begin
          state_q <= REVERT;
          moved_q <= 1'b1;  // operating_o falls without an event: the others see it at the next clock
          xcvr_q  <= 1'b1;
          term_q  <= 1'b1;
          set_timer(SETTLE);
        end

        REVERT:
        if (fired) begin
          if (in_line_i == SE0) enter_reset;
          else enter_suspend;
        end

        DEVICE_CHIRP:
        if (fired) begin
          state_q   <= HOST_CHIRP;
          drive_q <= 1'b0;
          chirps_q  <= 3'd0;
          changed_at_q <= stamp_i;  // our own chirp must not count
          set_timer(CHIRP_WAIT);
        end

        // Three pairs of K and J, each long enough; counted when it ends.
        HOST_CHIRP:
        if (changed && line_q == (chirps_q[0] ? J : K) && stamp_i - changed_at_q >= CHIRP_FILTER) begin
          chirps_q <= chirps_q + 3'd1;
          if (chirps_q == 3'd5) begin
            state_q <= HIGH;
            was_high_q <= 1'b1;
            term_q <= 1'b0;
            op_mode_q <= 2'd0;
            raise(3'd2);
            set_timer(IDLE_HS);
          end
        end else if (fired) begin
          state_q <= FULL_RESET;
          xcvr_q <= 1'b1;
          op_mode_q <= 2'd0;
          set_timer(32'd1);  // the reset may be over already
        end

        FULL_RESET:
        if (in_line_i == J) begin
          state_q <= FULL;
          raise(3'd3);
          set_timer(IDLE_FS);
        end else timer_q <= 1'b0;

        SUSPEND:
        if (changed) begin
          wake_allowed_q <= 1'b0;  // no wake-up into a reset, and none before the line has been idle again
          case (in_line_i)
            SE0: set_timer(RESET_SE0);
            K: begin
              state_q <= RESUME;
              suspend_n_q <= 1'b1;
              timer_q <= 1'b0;
            end
            default: set_timer(WAKE_AFTER);
          endcase
        end else if (fired) begin
          if (line_q == SE0) enter_reset;
          else begin
            wake_allowed_q <= 1'b1;
            timer_q <= 1'b0;
          end
        end else if (wake_now) begin
          state_q <= WAKE;
          suspend_n_q <= 1'b1;
          op_mode_q <= 2'd2;
          drive_q <= 1'b1;
          set_timer(WAKE_K);
        end

        WAKE:
        if (fired) begin
          state_q   <= RESUME;
          drive_q <= 1'b0;
          op_mode_q <= 2'd0;
          set_timer(IDLE_FS);
        end

        // The host drives K and ends with SE0; J without that is a spurious wake-up.
        RESUME:
        if (changed && in_line_i == SE0) begin
          raise(3'd5);
          if (was_high_q) begin
            state_q <= HIGH;
            xcvr_q <= 1'b0;
            term_q <= 1'b0;
            set_timer(IDLE_HS);
          end else begin
            state_q <= FULL;
            set_timer(RESET_SE0);
          end
        end else if (changed && in_line_i == J) set_timer(IDLE_FS);
        else if (changed) timer_q <= 1'b0;
        else if (fired && line_q == J) enter_suspend;
        else if (fired) timer_q <= 1'b0;

        TEST: ;

        default: state_q <= FULL;
      endcase
      if (starts) deadline_q <= stamp_i + clocks;
    end

    if (rst_i) begin
      line_q <= J;
      changed_at_q <= stamp_i;
      state_q <= FULL;
      was_high_q <= 1'b0;
      chirps_q <= 3'd0;
      xcvr_q <= 1'b1;
      term_q <= 1'b1;
      op_mode_q <= 2'd0;
      suspend_n_q <= 1'b1;
      drive_q <= 1'b0;
      reset_q <= 1'b0;
      event_q <= 1'b0;
      wake_pending_q <= 1'b0;
      wake_allowed_q <= 1'b0;
      moved_q <= 1'b0;
      timer_q <= 1'b1;
      deadline_q <= IDLE_FS;  // the stamp is 0
    end
  end
  /* verilator lint_on BLKSEQ */

  assign utmi_xcvr_select_o = xcvr_q;
  assign utmi_term_select_o = term_q;
  assign utmi_op_mode_o = op_mode_q;
  assign utmi_suspend_n_o = suspend_n_q;
  assign drive_o = drive_q;
  assign drive_j_o = test_mode_i == 3'd1;
  assign operating_o = state_q == FULL || state_q == HIGH || (state_q == TEST && !drive_q);
  assign high_speed_o = state_q == HIGH || state_q == TEST;
  assign suspended_o = state_q == SUSPEND;
  assign reset_o = reset_q;
  assign event_o = event_q;
  assign event_status_o = event_status_q;
  assign deadline_valid_o = timer_q;
  assign deadline_o = deadline_q;
  assign changed_o = changed;
  assign quiet_o = !moved_q && !reset_q && !event_q && !wake_now && !test_now;
endmodule

`default_nettype wire
