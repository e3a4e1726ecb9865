layOutTables();
listenToCards();
explore();
drawFigures();
document.documentElement.dataset.ready = "yes";
