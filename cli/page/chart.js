// Draws the last minute: the round trip on a scale of its own, receiving and sending on another.

const SAMPLES = 120;

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.series = { rtt: [], down: [], up: [] };
  }

  push(rtt, down, up) {
    for (const [name, value] of Object.entries({ rtt, down, up })) {
      this.series[name].push(value);
      if (this.series[name].length > SAMPLES) this.series[name].shift();
    }
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = (canvas.width = Math.round(canvas.clientWidth * scale));
    const height = (canvas.height = Math.round(canvas.clientHeight * scale));
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    // Custom properties are only resolved to colours through a property that takes one.
    const colour = (name) => {
      canvas.style.color = `var(${name})`;
      return style.color;
    };
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    context.strokeStyle = colour("--line");
    for (const part of [0.25, 0.5, 0.75]) {
      context.beginPath();
      context.moveTo(0, height * part);
      context.lineTo(width, height * part);
      context.stroke();
    }
    const rates = Math.max(1, ...this.series.down, ...this.series.up);
    const times = Math.max(1, ...this.series.rtt.filter((value) => value !== null));
    this.line(context, this.series.rtt, times, colour("--busy"), width, height, scale);
    this.line(context, this.series.down, rates, colour("--accent"), width, height, scale);
    this.line(context, this.series.up, rates, colour("--good"), width, height, scale);
  }

  line(context, values, most, colour, width, height, scale) {
    context.strokeStyle = colour;
    context.lineWidth = 2 * scale;
    context.lineJoin = "round";
    context.beginPath();
    let drawing = false;
    values.forEach((value, index) => {
      if (value === null) {
        drawing = false;
        return;
      }
      const x = width - ((values.length - 1 - index) * width) / (SAMPLES - 1);
      const y = height - 3 * scale - (value / most) * (height - 8 * scale);
      if (drawing) context.lineTo(x, y);
      else context.moveTo(x, y);
      drawing = true;
    });
    context.stroke();
  }
}
