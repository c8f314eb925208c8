// The page's side of a canvas: draws the figure that another widget's value holds, as JSON.
// The whole figure is state: a view that comes late, or comes back, draws what is there now.

const RETRY_MS = 100;
const RETRIES = 100;

// A reloaded page makes its models in any order.
async function modelOf(manager, id) {
  for (let retry = 0; ; retry++) {
    try {
      return await manager.get_model(id);
    } catch (error) {
      if (retry === RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

// Plotly's own file, run once a page. It sets `window.Plotly`, which others on the page may use.
async function load(source) {
  const theirs = window.Plotly;
  const parts = ["const module = { exports: {} };\n", source, "\nexport default module.exports;"];
  const url = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
    window.Plotly = theirs;
  }
}

async function plotly(manager, id) {
  globalThis.miniservePlotly ??= modelOf(manager, id)
    .then((model) => load(model.get("value")))
    .catch((error) => {
      globalThis.miniservePlotly = undefined; // so that the next figure tries again
      throw error;
    });
  return globalThis.miniservePlotly;
}

// ipywidgets leaves a slider's handle without a name, so a screen reader would only say "slider".
function nameSliders(panel) {
  for (const slider of panel?.querySelectorAll(".widget-slider") ?? []) {
    const name = slider.querySelector(".widget-label")?.textContent;
    const handle = slider.querySelector("[role=slider]");
    if (name) handle?.setAttribute("aria-label", name);
  }
}

async function render({ model, el }) {
  const manager = model.widget_manager;
  const plot = document.createElement("div");
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", model.get("_label"));
  plot.style.minHeight = `${model.get("_height")}px`;
  el.append(plot);
  const Plotly = await plotly(manager, model.get("_library"));
  const figure = await modelOf(manager, model.get("_figure"));

  let asked = false;
  function draw() {
    asked = false;
    nameSliders(plot.closest(".miniserve-panel"));
    const { data, layout } = JSON.parse(figure.get("value"));
    Plotly.react(plot, data, layout, { displayModeBar: false });
  }
  // Several messages between two animation frames are one drawing; a hidden page draws nothing.
  function ask() {
    if (!asked) {
      asked = true;
      requestAnimationFrame(draw);
    }
  }
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (plot.clientWidth > 0 && plot.clientWidth !== width) {
      width = plot.clientWidth;
      ask();
    }
  });
  figure.on("change:value", ask);
  observer.observe(plot);
  ask();

  return () => {
    figure.off("change:value", ask);
    observer.disconnect();
    Plotly.purge(plot);
  };
}

export default { render };
